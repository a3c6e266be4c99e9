"""torch's compiler is not imported by a training, and is whole for whoever asks for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.forks import forks
from support.helpers import ROOT
from support.patches import needs_patch

pytestmark = needs_patch("fast_import", "lazy_dynamo")

BEGIN = """
from abreast.runtime import fast_import
import torch
"""
NETWORK = """
import sys, torch
net = torch.nn.Linear(3, 3)
def is_there():
    return "torch._dynamo.eval_frame" in sys.modules
assert not is_there()
"""
USES = {
    "torch.compile": """
from lightning.fabric.wrappers import OptimizedModule
compiled = torch.compile(net, backend="eager")
assert compiled(torch.ones(2, 3)).equal(net(torch.ones(2, 3)))
assert isinstance(compiled, OptimizedModule) and not isinstance(net, OptimizedModule)
""",
    "its settings": "assert torch._dynamo.config.recompile_limit > 0",
    "an import of it": "import torch._dynamo; assert torch._dynamo.is_compiling() is False",
    "an import from it": "from torch._dynamo import explain",
    "an import of a part of it": "import torch._dynamo.utils; torch._dynamo.utils.counters.clear()",
    "an import from a part of it": "from torch._dynamo.eval_frame import OptimizedModule",
    "what is not to be compiled": """
@torch.compiler.disable
def alone(x):
    return x + 1
seen = []
def look(graph, inputs):
    seen.append(graph)
    return graph.forward
torch.compile(lambda x: alone(x * 2) * 3, backend=look)(torch.ones(2))
assert len(seen) == 2, "a disabled function breaks the graph in two"
""",
    "sharded tensors": """
import torch.distributed.tensor, torch.distributed.fsdp
torch.testing.assert_close(net(torch.ones(2, 3)), net(torch.ones(2, 3)))
torch._dynamo.config.recompile_limit
""",
    "an export": """
program = torch.export.export(net, (torch.ones(2, 3),))
assert program.module()(torch.ones(2, 3)).equal(net(torch.ones(2, 3)))
""",
    "an optimizer made before": """
optimizer = torch.optim.Adam(net.parameters())
assert not is_there()
compiled = torch.compile(net, backend="eager")
compiled(torch.ones(2, 3)).sum().backward()
optimizer.step()
torch.optim.SGD(net.parameters()).step()
""",
}


def run(code: str) -> None:
    """In a fork of a process that has begun."""
    done = forks(f"import warnings; warnings.simplefilter('error')\n{BEGIN}").run(NETWORK + code, [""], ROOT)
    assert done.code == 0, done.err


@pytest.mark.long
@pytest.mark.parametrize("use", USES)
def test_it_is_there_when_it_is_asked_for(use: str) -> None:
    run(USES[use] + "\nassert is_there()")


def test_triton_is_whole_after_its_stand_in() -> None:
    run("""
import importlib.util, textwrap
from torch.utils.flop_counter import FlopCounterMode
assert "triton" not in sys.modules
with FlopCounterMode(display=False) as counter:
    net(torch.ones(2, 3))
assert counter.get_total_flops() == 2 * 2 * 3 * 3
if importlib.util.find_spec("triton") is not None:
    import triton, triton.language
    from triton.runtime.jit import JITFunction
    assert isinstance(triton.jit(textwrap.dedent), JITFunction)
""")


def test_a_step_of_an_optimizer_does_without_it() -> None:
    run("""
for kind in (torch.optim.Adam, torch.optim.SGD, torch.optim.Adagrad, torch.optim.LBFGS):
    optimizer = kind(net.parameters())
    optimizer.zero_grad()
    net(torch.ones(2, 3)).sum().backward()
    optimizer.step(lambda: 0.0)
    optimizer.load_state_dict(optimizer.state_dict())
assert not is_there()
""")


def test_nothing_is_put_off_where_it_is_imported_already() -> None:
    run("""
import torch._dynamo as real
from abreast.runtime.lazy_dynamo import defer
assert defer() is None
assert sys.modules["torch._dynamo"] is real
""")


def test_a_lightning_that_wants_more_of_it_gets_it(tmp_path: Path) -> None:
    """As if a later one imported a part of the compiler: the import is tried again with the real module."""
    code = """
import sys
class Wants:
    def find_spec(self, name, path=None, target=None):
        if name == "lightning.fabric.wrappers":
            import torch._dynamo.utils
sys.meta_path.insert(0, Wants())
from abreast.runtime import fast_import
import lightning.pytorch
assert "torch._dynamo.eval_frame" in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_what_a_sweep_imports_first_and_last_does_without_it(tmp_path: Path) -> None:
    """It writes TensorBoard's columns before it trains: the loggers import Lightning."""
    code = (
        "import sys; import abreast.loggers.sweep_columns; import abreast.report.sweep_end\n"
        "slow = {'torchvision', 'torch._dynamo.eval_frame', 'scipy.stats', 'statsmodels', 'pandas'}\n"
        "print(({'lightning'} | slow) & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout.strip() == "{'lightning'}", done.stderr
