"""The names that other people's code imports."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import recordio_kit
from recordio_kit import errors, sagemaker


@pytest.mark.parametrize("module", [recordio_kit, errors, sagemaker])
def test_all_is_sorted_and_complete(module):
    assert list(module.__all__) == sorted(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_every_public_name_is_documented():
    for name in recordio_kit.__all__:
        value = getattr(recordio_kit, name)
        assert (value.__doc__ or "").strip(), name
        if inspect.isclass(value):
            for member, function in inspect.getmembers(value, inspect.isfunction):
                assert member.startswith("_") or function.__doc__, f"{name}.{member}"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = recordio_kit.nonsense
    assert "prepare" in dir(recordio_kit)


def test_importing_loads_nothing_heavy():
    script = "import sys, recordio_kit; print(sorted({'numpy', 'PIL', 'boto3', 'tqdm'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_listing_and_pack_through_do_not_load_aws():
    script = "import sys, recordio_kit as rk; rk.pack_list, rk.prepare, rk.RecordReader; print('boto3' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
