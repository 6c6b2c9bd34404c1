"""The registry of operations: what the decorators say is what is listed, and listing loads no operation."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys

import pytest
from pydantic import BaseModel

from prefect_drs.operations import OPERATIONS, Operation, OperationKind
from prefect_drs.operations.registry import INDEX, index_text, operation, read_index, registered_operations


def test_the_index_is_what_the_decorators_say():
    assert INDEX.read_text(encoding="utf-8") == index_text(), "run `python -m prefect_drs.operations`"
    assert read_index() == registered_operations() == OPERATIONS


@pytest.mark.parametrize("known", OPERATIONS, ids=lambda known: known.name)
def test_every_operation_is_typed_and_its_help_is_one_sentence(known: Operation):
    assert issubclass(known.request, BaseModel)
    assert known.request.model_config["frozen"]
    assert inspect.signature(known.function).return_annotation is not inspect.Signature.empty
    assert known.help.endswith(".")
    assert len(known.help) <= 90


def test_a_function_without_a_docstring_is_no_operation():
    def silent(context, request):
        return None

    with pytest.raises(ValueError, match="silent has no docstring"):
        operation(kind=OperationKind.QUERY, permission="view_accounts")(silent)


def test_two_modules_cannot_register_the_same_name():
    def get_current_account_id(context, request):
        """Another operation of a known name."""

    registered_operations()
    with pytest.raises(ValueError, match=r"registered by prefect_drs\.operations\.accounts and tests\."):
        operation(kind=OperationKind.QUERY, permission="view_accounts")(get_current_account_id)


def test_listing_operations_loads_no_operation_and_no_library():
    code = (
        "import json, sys\n"
        "from prefect_drs.operations import OPERATIONS\n"
        "assert OPERATIONS\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    loaded = json.loads(done.stdout)
    own = {name for name in loaded if name.startswith("prefect_drs")}
    assert own == {
        "prefect_drs", "prefect_drs.core", "prefect_drs.core.errors", "prefect_drs.operations",
        "prefect_drs.operations.registry",
    }  # fmt: skip
    assert not {"pydantic", "prefect", "boto3"} & set(loaded)
