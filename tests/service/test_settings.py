"""Settings come from flags and environment, flags first."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from models.contract import FORMATS
from service.command_line import given_settings
from service.settings import GROUPS, Settings, permitted_range, unknown_variables


def test_flags_win_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """And both over the default."""
    monkeypatch.setenv("SNELLEN_PORT", "1234")
    monkeypatch.setenv("SNELLEN_MAX_QUEUE", "7")
    settings = Settings.model_validate(given_settings(["--port", "4321", "--providers", "cuda, cpu", "--no-strict"]))
    assert (settings.port, settings.max_queue, settings.providers, settings.strict) == (4321, 7, ("cuda", "cpu"), False)


def test_each_setting_has_one_topic() -> None:
    """A setting without a topic would be no option and stand in no help."""
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(Settings.model_fields)


def test_defaults_suit_a_small_machine() -> None:
    """Only this machine, the folder models, all formats."""
    settings = Settings()
    assert (settings.host, settings.models, settings.formats) == ("127.0.0.1", Path("models"), FORMATS)


@pytest.mark.parametrize("name", ["PORT", "PROVIDERS", "FORMATS", "DEADLINE_S", "MAX_PIXELS"])
def test_nonsense_is_refused(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """At the start, not at the first request."""
    monkeypatch.setenv(f"SNELLEN_{name}", "-1")
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


NUMBERS = [name for name, field in Settings.model_fields.items() if field.annotation in (int, float)]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e300", "-1"])
def test_a_number_has_a_range(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """What is outside is refused, and the range can be said."""
    monkeypatch.setenv(f"SNELLEN_{name.upper()}", value)
    with pytest.raises(ValidationError, match=name):
        Settings()
    assert permitted_range(name)


def test_a_range_is_said_in_words() -> None:
    """Both ends, and whether the lower one belongs to it."""
    assert permitted_range("port") == "0 to 65,535"
    assert permitted_range("deadline_s") == "above 0, to 3,600"
    assert permitted_range("models") == ""


@pytest.mark.parametrize(
    "origin", ["shop.example", "https://shop.example/", "ftp://shop.example", "https://", "https://*.shop.example"]
)
def test_an_origin_is_scheme_and_host(monkeypatch: pytest.MonkeyPatch, origin: str) -> None:
    """As browsers send it; anything else would never match."""
    monkeypatch.setenv("SNELLEN_ALLOW_ORIGINS", f"https://fine.example, {origin}")
    with pytest.raises(ValidationError, match="is no origin"):
        Settings()


@pytest.mark.parametrize(
    ("origin", "sent"),
    [
        ("https://Shop.example", "https://shop.example"),
        ("https://shop.example:443", "https://shop.example"),
        ("http://[::1]:80", "http://[::1]"),
        ("http://shop.example:443", "http://shop.example:443"),
        ("http://shop.example:8080", "http://shop.example:8080"),
        ("*", "*"),
    ],
)
def test_an_origin_is_compared_as_browsers_send_it(origin: str, sent: str) -> None:
    """In small letters and without the usual port of its scheme."""
    assert Settings.model_validate({"allow_origins": origin}).allow_origins == (sent,)


LIMITS = ("key_rate", "key_burst", "address_rate", "address_burst")


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "1e9", "10/s", ""])
def test_an_absurd_limit_is_refused(name: str, value: str) -> None:
    """With the range, which is said."""
    with pytest.raises(ValidationError, match=name):
        Settings.model_validate({name: value, "keys": "keys"})
    assert permitted_range(name) == ("0.001 to 1,000,000" if name.endswith("rate") else "1 to 1,000,000")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"key_rate": 1}, "there are no keys without --keys FILE; add it, or use --address-rate"),
        ({"keys": "keys", "address_rate": 1}, "with --keys every client has a key, so that this limits none"),
        ({"keys": "keys", "key_burst": 1}, "a burst needs a rate: add --key-rate, in images per second"),
        ({"address_burst": 1}, "a burst needs a rate: add --address-rate, in images per second"),
    ],
)
def test_a_limit_that_no_request_meets_is_refused(values: dict[str, object], reason: str) -> None:
    """It would give a false sense of safety."""
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate(values)
    assert reason in str(refused.value)


def test_formats_are_not_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that accepts no image is no service."""
    monkeypatch.setenv("SNELLEN_FORMATS", " , ")
    with pytest.raises(ValidationError, match="formats"):
        Settings()


def test_settings_do_not_change() -> None:
    """Frozen once parsed."""
    with pytest.raises(ValidationError):
        Settings().port = 1  # type: ignore[misc]


def test_what_kubernetes_puts_into_the_environment_is_not_a_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Service called snellen sets SNELLEN_PORT to an address."""
    monkeypatch.setenv("SNELLEN_PORT", "tcp://10.0.0.1:8000")
    assert Settings().port == 8000


def test_nor_is_that_of_a_service_for_the_admin_port(monkeypatch: pytest.MonkeyPatch) -> None:
    """Called snellen-admin; its other variables are no misspelt settings either."""
    monkeypatch.setenv("SNELLEN_ADMIN_PORT", "tcp://10.0.0.1:9000")
    assert Settings().admin_port is None
    names = ["SNELLEN_ADMIN_PORT", "SNELLEN_ADMIN_PORT_9000_TCP_ADDR", "SNELLEN_ADMIN_SERVICE_HOST"]
    assert not unknown_variables(names)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"admin_port": 9000}, "add --keys FILE"),
        ({"admin_port": 8000, "keys": "keys"}, "8000 is the port of the service itself"),
        ({"admin_host": "::1"}, "add --admin-port PORT"),
        ({"admin_port": 65536, "keys": "keys"}, "less than or equal to 65535"),
    ],
)
def test_an_admin_port_takes_keys_and_a_port_of_its_own(values: dict[str, object], reason: str) -> None:
    """Without keys everybody could change the models; with 0 a free one is taken."""
    with pytest.raises(ValidationError, match=reason):
        Settings.model_validate(values)
    for port in (0, 9000):
        settings = Settings.model_validate({"admin_port": port, "keys": "keys", "admin_host": "::1"})
        assert Settings.model_validate(settings.model_dump()) == settings


def test_a_misspelt_variable_is_noticed() -> None:
    """Those of Kubernetes and of the tests are left alone."""
    names = ["SNELLEN_PRT", "snellen_prt", "SNELLEN_PORT", "Snellen_Port", "SNELLEN_PORT_8000_TCP", "PATH"]
    assert unknown_variables([*names, "SNELLEN_TEST_PROGRAMS"]) == ["SNELLEN_PRT", "snellen_prt"]


def test_formats_may_be_written_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """As everywhere else."""
    monkeypatch.setenv("SNELLEN_FORMATS", "jpeg, png")
    assert Settings().formats == ("JPEG", "PNG")


@pytest.mark.parametrize("name", ["TLS_KEY", "TLS_CLIENT_CA"])
def test_tls_takes_a_certificate(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Other files for TLS alone would leave the service without TLS, without anybody noticing."""
    monkeypatch.setenv(f"SNELLEN_{name}", "some.file")
    with pytest.raises(ValidationError, match="there is no TLS without a certificate"):
        Settings()
    monkeypatch.setenv("SNELLEN_TLS_CERTIFICATE", "tls.crt")
    assert (Settings().scheme, Settings(tls_certificate=None, tls_key=None, tls_client_ca=None).scheme) == (
        "https",
        "http",
    )


@pytest.mark.parametrize("proxy", ["*", "proxy.example", "10.0.0.0/33", "10.0.0.1:80", "10.0.0.0-10.0.0.9"])
def test_a_trusted_proxy_is_an_address_or_a_network(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """A name could resolve to anything, and all addresses would be everybody."""
    monkeypatch.setenv("SNELLEN_TRUSTED_PROXIES", f"10.0.0.7/8,::1, {proxy}")
    with pytest.raises(ValidationError, match="is no IP address and no network"):
        Settings()


def test_openvino_alone_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says how to install it; beside another provider it is a wish."""
    monkeypatch.setattr("service.settings.find_spec", lambda _: None)
    with pytest.raises(ValidationError, match=r"not installed: pip install 'snellen\[openvino\]'"):
        Settings(providers=("openvino",))
    assert Settings(providers=("openvino", "cpu")).providers == ("openvino", "cpu")


def test_heic_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside other formats too: pictures in it would be refused."""
    monkeypatch.setattr("service.settings.find_spec", lambda _: None)
    with pytest.raises(ValidationError, match=r"HEIC takes .* not installed: pip install 'snellen\[heic\]'"):
        Settings(formats=("JPEG", "HEIC"))
