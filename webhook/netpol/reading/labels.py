"""Label selectors of Kubernetes' APIs."""

from msgspec import Struct

from webhook.model.selector import AllOf, Equals, Has, Not, OneOf, Selector


class Requirement(Struct, frozen=True):
    """An entry of `matchExpressions`."""

    key: str
    operator: str
    values: list[str] | None = None


class LabelSelector(Struct, rename="camel", frozen=True):
    """A selector of any Kubernetes API."""

    match_labels: dict[str, str] | None = None
    match_expressions: list[Requirement] | None = None

    @property
    def parts(self) -> int:
        """Return how many labels and values it names."""
        expressions = self.match_expressions or ()
        return len(self.match_labels or ()) + sum(1 + len(one.values or ()) for one in expressions)

    def read(self) -> AllOf:
        """Return the selector as a tree; raises ValueError for an operator that Kubernetes does not know."""
        equal = [Equals(key, value) for key, value in sorted((self.match_labels or {}).items())]
        return AllOf((*equal, *map(requirement, self.match_expressions or ())))


NO_SELECTOR = LabelSelector()


def requirement(found: Requirement) -> Selector:
    """Return one expression as a tree; raises ValueError for an operator that Kubernetes does not know."""
    values = tuple(found.values or ())
    match found.operator:
        case "In":
            return OneOf(found.key, values)
        case "NotIn":
            return Not(OneOf(found.key, values))
        case "Exists":
            return Has(found.key)
        case "DoesNotExist":
            return Not(Has(found.key))
    raise ValueError(
        f"{found.operator[:60]!r} is not a valid operator of a label selector: use In, NotIn, Exists, DoesNotExist"
    )
