"""Claims of other packages' bounds: in no ledger and without a proof, they are settled by their experiments."""

from collections.abc import Iterable, Mapping
from functools import partial

from proofs_check.experiments import experiment as of_experiments
from proofs_check.experiments.experiment import Experiment
from proofs_check.ledger import Row, ledger
from proofs_check.registry import Check
from workbench.core import catalogue
from workbench.core.claims import Claim, Grade, Status, Verdict, claim_of

GRAVEST = (Status.REFUTED, Status.UNDERDETERMINED, Status.HOLDS)  # outside its assumptions nothing is said of a claim
NOT_SIMULATED = f"no experiment holds it against a simulation; its package may add some to {of_experiments.PACKAGE}"


def rows() -> dict[str, Row]:
    """Return what a ledger would say of these claims, by key: the status is the one their experiments expect."""
    return {key: _row(claim, summary) for key, (claim, summary) in _claims().items()}


def checks() -> Mapping[str, Check]:
    """Return the checks by their claim's key."""
    return {key: partial(_check, claim) for key, (claim, _) in _claims().items()}


def _claims() -> dict[str, tuple[Claim, str]]:
    """Return claim and summary by key; of several bounds of one claim the first speaks for it."""
    found: dict[str, tuple[Claim, str]] = {}
    for functions in catalogue.bounds().values():
        for each in functions.values():
            claim = claim_of(each)
            if claim.key not in ledger():
                found.setdefault(claim.key, (claim, (each.__doc__ or "").strip().partition("\n")[0]))
    return found


def _row(claim: Claim, summary: str) -> Row:
    return Row(
        key=claim.key,
        item=claim.name,
        statement=summary,
        status=_gravest(each.expected for each in _experiments(claim)),
        grade=Grade.TESTED,
        equations=[] if claim.equation is None else [str(claim.equation)],
        assumes=list(claim.assumes),
        reason="Held against simulation, not proved.",
    )


def _check(claim: Claim) -> Verdict:
    """Run the claim's experiments; its status is the gravest of theirs."""
    found = {each.setting: of_experiments.run(each).verdict for each in _experiments(claim)}
    status = _gravest(each.status for each in found.values())
    said = "; ".join(f"{setting}: {each.explanation}" for setting, each in found.items())
    evidence = next((each.evidence for each in found.values() if each.status is status), {})
    return Verdict(claim, status, Grade.TESTED, said or NOT_SIMULATED, evidence)


def _experiments(claim: Claim) -> list[Experiment]:
    return [each for each in of_experiments.experiments().values() if each.claim.key == claim.key]


def _gravest(found: Iterable[Status]) -> Status:
    seen = set(found)
    return next((each for each in GRAVEST if each in seen), Status.UNDERDETERMINED)
