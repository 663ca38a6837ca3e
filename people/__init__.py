"""Owners, carriers, couriers, operators: who they are, how they sign in, who may do what on which car."""
