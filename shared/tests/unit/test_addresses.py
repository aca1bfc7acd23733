"""What may be kept of an address."""

from parley_shared.addresses import ip_prefix


def test_a_log_keeps_a_part_of_an_address() -> None:
    assert ip_prefix("192.0.2.77") == ip_prefix("::ffff:192.0.2.77") == "192.0.2.0/24"
    assert ip_prefix("2001:db8:1:2::1") == "2001:db8:1::/48"
    assert ip_prefix("unknown") == ""
