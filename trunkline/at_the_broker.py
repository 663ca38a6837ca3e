"""Builds what process `gateway` runs; apart, so that it loads nothing else of the house."""

from trunkline.ground import Ground
from trunkline.installation import gateway_password
from vehicle_gateway.duty import Equipment
from vehicle_gateway.gateway import Gateway
from vehicle_gateway.link import Broker, Tls
from vehicle_gateway.ready import CommandSigner


def gateway(base: Ground, signer: CommandSigner) -> Gateway:
    """What process `gateway` runs: the broker on one side, the log on the other."""
    settings = base.settings
    tls = Tls(ca=settings.broker_tls_ca) if settings.broker_tls_ca else None
    broker = Broker(
        settings.broker_host,
        settings.broker_port,
        tls=tls,
        username=settings.broker_username,
        password=gateway_password(settings),
    )
    kit = Equipment(
        store=base.store,
        tail=base.tail,
        clock=base.clock,
        signer=signer,
        broker=broker,
        limits=settings.gateway,
        link_limits=settings.link,
        spine_limits=settings.spine,
    )
    return Gateway(kit)
