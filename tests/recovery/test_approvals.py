"""Which answers pass a gate that demands proofs: the real verification, with the sandbox's STS and an OIDC issuer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from prefect_drs.core.clock import WallClock
from prefect_drs.core.errors import AwsError, UsageError
from prefect_drs.execution.approval import Decision, GateAnswer
from prefect_drs.execution.events import GateAnswered, GlassBroken
from prefect_drs.execution.view import report_of
from prefect_drs.identity import Trust
from prefect_drs.identity.sts_proof import make_token
from prefect_drs.operations.execution_report import html_document
from prefect_drs.plan.advance import Gated, refuse_in_advance
from prefect_drs.plan.approval import APPROVER_ROLES, demand_of
from prefect_drs.recovery.approvals import GateApprovals
from prefect_drs.recovery.drivers import pass_gate
from prefect_drs.recovery.ports import GateRequest
from prefect_drs.recovery.resume import Starter
from prefect_drs.runbook.approved import approved_digest, with_approval_findings
from prefect_drs.simulator.server import SandboxServer
from tests.identity.issuer import Issuer
from tests.recovery.signed_gates import Gates, People, holds_no_token, oidc_token, policy, runbook, stored_json
from tests.report.test_html import Page

pytestmark = pytest.mark.usefixtures("sandbox")
TWO = {"quorum": 2, "roles": ["DRSOperator"], "notStarter": True, "expiresAfter": "PT4H"}


@pytest.fixture(scope="module")
def people(sandbox: SandboxServer) -> People:
    return People()


def test_the_roles_of_a_manifest_are_those_of_the_policy_that_may_approve():
    from prefect_drs.identity.policy import ROLE_PERMISSIONS

    assert {role.value for role, may in ROLE_PERMISSIONS.items() if "start_recovery" in may} == set(APPROVER_ROLES)


def test_a_signed_gate_waits_until_a_proof_of_its_own_is_given(people: People):
    gates = Gates("signed")
    assert not gates.give()
    assert not gates.give(people.token("ada", gates.bound(2)))
    token = people.token("ada", gates.bound())
    assert gates.give(token)
    assert gates.attempts == ["NO_PROOF", "other-binding"]
    (counted,) = gates.counted
    assert (counted.identity, counted.digest) == (People.arn("ada"), gates.check().digest)
    assert (counted.proof, len(counted.proof_digest)) == (token, 64)
    assert holds_no_token(gates, token)


def test_the_digest_is_that_of_what_is_done_and_not_of_what_was_seen_on_the_way():
    book = runbook()
    wave = book.waves[0]
    seen = wave.servers[0].model_copy(update={"lag": "PT5M", "replication_state": "LAGGING"})
    same = book.model_copy(update={"waves": (wave.model_copy(update={"servers": (seen,)}), *book.waves[1:])})
    assert approved_digest(same, 1) == approved_digest(book, 1)
    others = [
        approved_digest(book, 2),
        approved_digest(runbook(mode="recovery"), 1),
        approved_digest(runbook(instance_type="m5.xlarge"), 1),
        approved_digest(runbook({"quorum": 1}), 1),
        approved_digest(runbook("any"), 1),
    ]
    for field, value in (("account_id", "222222222222"), ("region", "eu-west-1"), ("snapshot_id", "pit-1")):
        server = wave.servers[0].model_copy(update={field: value})
        changed = wave.model_copy(update={"servers": (server,)})
        others.append(approved_digest(book.model_copy(update={"waves": (changed, *book.waves[1:])}), 1))
    assert len({approved_digest(book, 1), *others}) == len(others) + 1


def test_without_a_policy_only_identities_of_the_executions_own_accounts_count(people: People):
    gates = Gates("signed")
    assert not gates.give(people.token("eve", gates.bound(), account="999999999999"))
    assert gates.attempts == ["MAY_NOT_APPROVE"]
    assert gates.give(people.token("ada", gates.bound()))


def test_a_role_that_no_policy_gives_leaves_break_glass_alone(people: People):
    gates = Gates({"quorum": 1, "roles": ["DRSOperator"]})
    assert not gates.give(people.token("ada", gates.bound()))
    assert gates.attempts == ["MAY_NOT_APPROVE"]
    assert gates.give(break_glass="the house burns")


def test_a_quorum_counts_different_people_with_the_role_and_not_the_starter(people: People, issuer: Issuer):
    gates = Gates(TWO, document=policy(issuer))
    for who, role in (("starter", "Operators"), ("rita", "Readers"), ("eva", "Elsewhere"), ("adam", "Admins")):
        assert not gates.give(people.token(who, gates.bound(), role=role))
    assert gates.attempts == ["STARTER", "MAY_NOT_APPROVE", "MAY_NOT_APPROVE", "MAY_NOT_APPROVE"]
    assert not gates.give(people.token("ada", gates.bound()))
    assert "one signed approval" in gates.check().standing().lacks
    assert not gates.give(people.token("ada", gates.bound()))
    assert gates.attempts[-1] == "ALREADY_COUNTED"
    assert not gates.give(oidc_token(issuer, gates.bound(), groups=["others"], sub="bob"))
    assert gates.give(oidc_token(issuer, gates.bound(), sub="bob"))
    assert [each.identity for each in gates.counted] == [People.arn("ada"), f"{issuer.url}#bob"]
    assert gates.check().standing().lacks == ""


def test_an_approval_expires_from_the_time_of_its_proof_on(people: People):
    gates = Gates({"quorum": 2, "expiresAfter": "PT10M"})
    gates.clock.ahead = timedelta(minutes=-8)
    early = datetime.now(UTC) - timedelta(minutes=8)
    assert not gates.give(people.token("ada", gates.bound(), at=early, seconds=900))
    gates.clock.ahead = timedelta(minutes=2, seconds=1)
    assert gates.check().standing().approvals == ()
    assert not gates.give(people.token("bob", gates.bound()))
    assert gates.give(people.token("ada", gates.bound()))


def test_a_proof_older_than_the_gate_accepts_does_not_count(people: People):
    gates = Gates({"quorum": 1, "expiresAfter": "PT2M"})
    old = datetime.now(UTC) - timedelta(minutes=3)
    assert not gates.give(people.token("ada", gates.bound(), at=old, seconds=900))
    assert gates.attempts == ["EXPIRED"]


def test_who_started_must_be_proven_where_the_starter_may_not_approve(people: People):
    gates = Gates({"quorum": 1, "notStarter": True}, starter=Starter("ada", False))
    assert not gates.give(people.token("bob", gates.bound()))
    assert gates.attempts == ["STARTER_UNKNOWN"]
    assert "break-glass" in gates.check().standing().lacks


def test_what_could_not_be_checked_leaves_the_gate_waiting(people: People):
    def unreadable(_issuers: object) -> Trust:
        raise AwsError("the configuration cannot be read")

    gates = Gates("signed", trust=unreadable)
    assert not gates.give(people.token("ada", gates.bound()))
    gates.verifier._trust = lambda _issuers: 1 / 0  # type: ignore[assignment,return-value]
    assert not gates.give(people.token("ada", gates.bound()))
    assert gates.attempts == ["UNAVAILABLE", "UNAVAILABLE"]


def test_sts_that_does_not_answer_is_an_attempt_and_the_same_proof_may_be_sent_again(people: People):
    gates = Gates("signed")
    with pytest.MonkeyPatch.context() as patch:
        session = people.session("ada")
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nobody listens there
        token = make_token("prefect-drs", at=datetime.now(UTC), bound=gates.bound(), session=session)
        assert not gates.give(token)
    assert gates.attempts == ["unavailable"]
    assert gates.give(people.token("ada", gates.bound()))


def test_a_policy_that_cannot_be_read_lets_nobody_approve(people: People):
    gates = Gates("signed", document=policy())

    def damaged() -> Any:
        raise UsageError("version 3 cannot be read")

    gates.verifier._read_policy = damaged
    assert not gates.give(people.token("ada", gates.bound()))
    assert not gates.give(break_glass="burning")
    assert gates.attempts == ["UNAVAILABLE", "UNAVAILABLE"]


def test_break_glass_needs_the_proof_of_an_admin_where_there_is_a_policy(people: People):
    gates = Gates(TWO, document=policy())
    glass = gates.bound(decision="break-glass")
    assert not gates.give(break_glass="the house burns")
    assert not gates.give(people.token("ada", glass), break_glass="the house burns")
    assert not gates.give(people.token("adam", gates.bound(), role="Admins"), break_glass="the house burns")
    assert gates.attempts == ["MAY_NOT_BREAK_GLASS", "MAY_NOT_BREAK_GLASS", "other-binding"]
    assert gates.give(people.token("adam", glass, role="Admins"), break_glass="the house burns")
    (broken,) = [event for event in gates.events if isinstance(event, GlassBroken)]
    assert (broken.by, broken.proven, broken.reason) == (People.arn("adam", "Admins"), True, "the house burns")
    assert broken.text.startswith("BREAK-GLASS")


def test_a_proof_for_break_glass_is_no_approval(people: People):
    gates = Gates("signed")
    assert not gates.give(people.token("ada", gates.bound(decision="break-glass")))
    assert gates.attempts == ["other-binding"]


def test_the_journal_keeps_the_proof_of_aws_and_of_an_issuer_only_what_nobody_accepts(people: People, issuer: Issuer):
    gates = Gates({"quorum": 2}, document=policy(issuer))
    aws, oidc = people.token("ada", gates.bound()), oidc_token(issuer, gates.bound())
    assert not gates.give(aws)
    assert gates.give(oidc)
    stored = stored_json(gates)
    assert aws in stored
    assert oidc not in stored
    assert oidc.rpartition(".")[0] in stored
    assert holds_no_token(gates, aws, oidc)


class Sequence:
    """A gate that has these answers, one after the other; it does not know of proofs."""

    def __init__(self, *answers: GateAnswer) -> None:
        self.answers = list(answers)
        self.requests: list[GateRequest] = []

    def ask(self, request: GateRequest) -> GateAnswer:
        self.requests.append(request)
        return self.answers.pop(0)


def answer(token: str = "", decision: Decision = Decision.APPROVED, by: str = "somebody", **fields: str) -> GateAnswer:
    return GateAnswer(decision, by, datetime.now(UTC), token=token, **fields)


def passes(gates: Gates, *answers: GateAnswer, wave: int = 1) -> bool:
    approvals = GateApprovals(gates.verifier)
    return pass_gate(gates.engine, Sequence(*answers), wave, clock=WallClock(), approvals=approvals)


def test_the_engine_asks_again_until_an_answer_counts_and_names_who_was_proven(people: People):
    gates = Gates("signed")
    assert passes(gates, answer(), answer("nonsense"), answer(people.token("ada", gates.bound())))
    assert gates.attempts == ["NO_PROOF", "malformed"]
    (given,) = [event for event in gates.events if isinstance(event, GateAnswered)]
    assert (given.decision, given.by) == ("APPROVED", People.arn("ada"))
    report = report_of(gates.journal.read())
    assert report.waves[0].approval is not None
    assert report.waves[0].approval.by == People.arn("ada")


def test_the_html_report_says_who_approved_how_that_was_proven_and_what_was_refused(people: People):
    gates = Gates("signed")
    token = people.token("ada", gates.bound())
    assert passes(gates, answer("nonsense", by="<b>mallory</b>"), answer(token, comment="data checked"))
    assert passes(gates, answer(by="bob", break_glass="STS is gone"), wave=2)
    events = gates.journal.read()
    page = Page(html_document(events, datetime.now(UTC)))
    assert "Answers at gates that demand proofs" in page.text
    assert f"{People.arn('ada')} http://" in page.text  # who proved it: the sandbox's STS
    assert f"counted approved SHA-256 {gates.check().digest[:12]}…: data checked" in page.text
    assert "<b>mallory</b> — refused malformed:" in page.text
    assert "bob — BREAK-GLASS passed without what it demands: STS is gone" in page.text
    assert "b" not in page.tags[page.tags.index("body") :]
    assert token not in page.text


def test_anybody_may_reject_and_a_time_out_ends_the_wave():
    for decision in (Decision.REJECTED, Decision.TIMED_OUT):
        gates = Gates("signed")
        assert not passes(gates, answer(decision=decision))
        assert gates.attempts == []


def test_without_a_way_to_verify_no_gate_is_passed(people: People):
    gates = Gates("signed")
    given = answer(people.token("ada", gates.bound()))
    refused = answer(decision=Decision.REJECTED)
    assert not pass_gate(gates.engine, Sequence(given, refused), 1, clock=WallClock())
    assert gates.attempts == ["UNAVAILABLE"]


def test_a_process_that_resumes_the_execution_counts_on(people: People):
    first = Gates({"quorum": 2})
    token = people.token("ada", first.bound())
    assert not first.give(token, answer_id="one")
    second = Gates(journal=first.journal, execution_id=first.execution_id)
    assert not second.give(token, answer_id="one")  # its answer is found once more
    assert len(second.counted) == 1
    assert not second.give(people.token("ada", second.bound()))
    assert second.attempts == ["ALREADY_COUNTED"]
    assert second.give(people.token("bob", second.bound()))


def test_a_process_that_died_between_the_last_approval_and_the_gate_passes_it_without_asking(people: People):
    first = Gates("signed")
    assert first.give(people.token("ada", first.bound()))
    second = Gates(journal=first.journal, execution_id=first.execution_id)
    assert passes(second)  # nothing is asked
    third = Gates(journal=first.journal, execution_id=first.execution_id)
    assert passes(third)


def test_gates_that_demand_proofs_are_not_approved_in_advance():
    refuse_in_advance([Gated(1, "Database", demand_of("any"))])
    with pytest.raises(UsageError, match=r"wave 2 \(Web\) demands one signed approval.*--yes"):
        refuse_in_advance([Gated(1, "Database", demand_of("any")), Gated(2, "Web", demand_of("signed"))])


def test_the_preflight_says_where_a_role_is_demanded_that_no_policy_gives():
    book = runbook({"quorum": 1, "roles": ["DRSOperator"]})
    assert with_approval_findings(book, has_policy=True) == book
    found = with_approval_findings(book, has_policy=False)
    assert [finding.code for finding in found.findings] == ["APPROVAL_ROLES_WITHOUT_POLICY"] * 2
    assert not found.refusals
    assert with_approval_findings(runbook("signed"), has_policy=False).findings == ()
