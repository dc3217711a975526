"""catflap: an admission webhook that lets only workloads with a known role in and closes namespaces at birth."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("catflap")
except PackageNotFoundError:  # run from a checkout that nobody installed
    __version__ = "0+unknown"
