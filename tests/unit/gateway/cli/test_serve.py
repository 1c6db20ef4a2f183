import resource

from gateway.cli.serve import raise_descriptor_limit


def test_a_service_takes_as_many_descriptors_as_it_may() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
        raise_descriptor_limit()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    assert soft == min(65_536, hard) or hard == resource.RLIM_INFINITY
    assert soft > 256
    assert hard == limits[1]
