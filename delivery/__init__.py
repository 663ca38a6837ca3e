"""A parcel into a parked car: the life of a delivery."""
