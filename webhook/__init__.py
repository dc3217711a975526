"""catflap: an admission webhook that admits only workloads with a known role and closes namespaces at creation."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("catflap")
except PackageNotFoundError:  # run from a checkout without installation
    __version__ = "0+unknown"
