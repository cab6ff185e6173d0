"""What is uploaded: the libraries, installed by uv for the Lambda platform, and the code, a part of it for each side.

Bundling runs on this machine, without Docker, and only when something changed: an asset is named by a hash over all that it
is made from. Byte code is compiled in, marked as never to be checked against its source, because CDK resets time stamps in
zip files and ordinary byte code would be thrown away at each cold start.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import jsii
from aws_cdk.aws_s3_assets import Asset
from constructs import Construct

from infra import ROOT
from infra.findings import accept
from infra.settings import SynthError, top_level

PYTHON = "3.13"
PLATFORM = "aarch64-manylinux_2_34"
"""The Lambda runtime of Python 3.13 runs on Amazon Linux 2023, whose glibc is 2.34."""
LAYER_LIMIT = 240 * 2**20
"""Lambda takes 250 MiB, unzipped, for a function and its layers; the rest is for the code."""

_NOT_NEEDED = (
    "tests",
    "include",
    "*.pyx",
    "*.pxd",
    "*.pxi",
    "*.c",
    "*.cpp",
    "*.h",
    "*.a",
    # Of pyarrow, Flight. (Everything in it is linked to Substrait, so that stays.)
    "*arrow*flight*",
    "_flight.*",
    # Linked by their version number; the same file under two more names.
    "libarrow_python*.so",
    "libarrow_python*.so.*.*.*",
)


@cache
def byte_compiler() -> str | None:
    """A Python of the version that runs on Lambda; byte code of any other is of no use there."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [
        sys.executable,
        shutil.which(f"python{PYTHON}") or "",
        *(str(one) for one in sorted(pyenv.glob(f"{PYTHON}.*/bin/python"))),
    ]
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    for candidate in filter(None, candidates):
        answer = subprocess.run([candidate, "-c", ask], capture_output=True, text=True, check=False)
        if answer.stdout.strip() == PYTHON:
            return candidate
    print(
        f"note: no Python {PYTHON} here, so no byte code goes into the packages: cold starts take longer.",
        file=sys.stderr,
    )
    return None


def compile_to_byte_code(target: Path, runs_at: str) -> None:
    """Compile everything under ``target``, which will be found at ``runs_at``."""
    compiler = byte_compiler()
    if compiler is None:
        return
    subprocess.run(
        [compiler, "-m", "compileall", "-q", "-j", "0", "--invalidation-mode", "unchecked-hash"]
        + ["-s", str(target), "-p", runs_at, str(target)],
        check=True,
        stdout=sys.stderr,
    )


def package_hash(parts: Iterable[bytes]) -> str:
    """Over the parts, and over whatever else shapes a package: this module and whether byte code is made."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    digest.update(b"byte code" if byte_compiler() else b"source")
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def install(lock: Path, target: Path, limit: int | None) -> None:
    """Install what is locked, as a Lambda layer wants it.

    Raises:
        SynthError: uv could not, or it is more than ``limit`` bytes.
    """
    place = target / "python"
    uv = Path(sys.executable).with_name("uv")
    command = [str(uv), "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    command += ["--target", str(place), "--requirement", str(lock)]
    command += ["--python", sys.executable, "--python-platform", PLATFORM]
    command += ["--python-version", PYTHON, "--only-binary", ":all:", "--no-installer-metadata"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join(done.stderr.split())[:500]
        raise SynthError(f"uv could not install {lock.name}: {said}")
    shutil.rmtree(place / "bin", ignore_errors=True)
    _prune(place)
    compile_to_byte_code(place, "/opt/python")
    size = sum(one.stat().st_size for one in place.rglob("*") if one.is_file())
    if limit is not None and size > limit:
        raise SynthError(
            f"The libraries of {lock.name} are {size / 2**20:.0f} MiB; a Lambda layer holds {limit / 2**20:.0f}. "
            "Name what only ECS steps import in infra/locks/containers_only.txt, and run `make lock-infra`."
        )


def _prune(target: Path) -> None:
    for directory, folders, files in os.walk(target, topdown=True):
        for name in [one for one in folders if _matches(one, _NOT_NEEDED)]:
            shutil.rmtree(Path(directory) / name)
            folders.remove(name)
        for name in files:
            if _matches(name, _NOT_NEEDED):
                (Path(directory) / name).unlink()


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatch(name, one) for one in patterns)


def libraries(scope: Construct, id: str, lock: str, *, limit: int | None = LAYER_LIMIT) -> Asset:
    """The libraries of a lock file of ``infra/locks``, laid out as a Lambda layer."""
    path = ROOT / "infra" / "locks" / lock
    digest = package_hash([path.read_bytes()])
    return _asset(scope, id, lambda target: install(path, target, limit), digest)


def stage(files: dict[str, Path], target: Path) -> None:
    """Copy each file to its place, and compile."""
    for place, source in files.items():
        copy = target / place
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
    compile_to_byte_code(target, "/var/task")


CONTROL_PLANE_LEAVES_OUT = (
    "tidegate/cli/*",
    "tidegate/execution/*",
    "tidegate/handlers/user_code.py",
    "tidegate/local/*",
    "tidegate/sdk/*",
    "tidegate/testing/*",
)
USER_CODE_LEAVES_OUT = (
    "tidegate/adapters/*",
    "tidegate/app/*",
    "tidegate/cli/*",
    "tidegate/handlers/api.py",
    "tidegate/handlers/backfill.py",
    "tidegate/handlers/environment.py",
    "tidegate/handlers/monitor.py",
    "tidegate/handlers/observe.py",
    "tidegate/handlers/queue.py",
    "tidegate/handlers/steps.py",
    "tidegate/local/*",
    "tidegate/testing/*",
)


def control_plane_files(build: Path) -> dict[str, Path]:
    """Where each file of the control plane's code goes. It has no user code and nothing that loads any.

    Raises:
        SynthError: the manifest or the settings have not been compiled.
    """
    files = _tree(ROOT / "functions", "tidegate", CONTROL_PLANE_LEAVES_OUT)
    for name in ("manifest.json", "settings.json"):
        if not (build / name).is_file():
            raise SynthError(
                f"{build.name}/{name} is missing: run `make synth`, or `.venv-infra/bin/python -m infra.inputs` first."
            )
        files[name] = build / name
    return files


def user_code_files(definitions: str) -> dict[str, Path]:
    """Where each file of the user code goes: the SDK, what executes a step, and the user's definitions.

    Raises:
        SynthError: there is no such module or package.
    """
    files = _tree(ROOT / "functions", "tidegate", USER_CODE_LEAVES_OUT)
    top = top_level(definitions)
    if (ROOT / f"{top}.py").is_file():
        return files | {f"{top}.py": ROOT / f"{top}.py"}
    if not (ROOT / top).is_dir():
        raise SynthError(
            f"There is no module {definitions!r} in {ROOT}: see context 'definitions'."
        )
    return files | _tree(ROOT, top, ())


def _tree(root: Path, top: str, leave_out: tuple[str, ...]) -> dict[str, Path]:
    places = {
        path.relative_to(root).as_posix(): path
        for path in sorted((root / top).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    return {place: path for place, path in places.items() if not _matches(place, leave_out)}


def code(scope: Construct, id: str, files: dict[str, Path]) -> Asset:
    """The files, laid out as the code of a Lambda function."""
    parts = (part for place, path in files.items() for part in (place.encode(), path.read_bytes()))
    return _asset(scope, id, lambda target: stage(files, target), package_hash(parts))


@jsii.implements(cdk.ILocalBundling)
class _Locally:
    def __init__(self, make: Callable[[Path], None]) -> None:
        self._make = make

    def try_bundle(self, output_dir: str, *args: Any, **kwargs: Any) -> bool:
        self._make(Path(output_dir))
        return True


def _asset(scope: Construct, id: str, make: Callable[[Path], None], digest: str) -> Asset:
    asset = Asset(
        scope,
        id,
        # CDK wants a source directory and an image even where neither is used.
        path=str(ROOT / "infra" / "locks"),
        asset_hash=digest,
        asset_hash_type=cdk.AssetHashType.CUSTOM,
        bundling=cdk.BundlingOptions(
            image=cdk.DockerImage.from_registry("unused"), local=_Locally(make)
        ),
    )
    accept(
        asset,
        {
            "@aws-cdk/aws-lambda:codeFromBucketObjectVersionNotSpecified": (
                "The key is a hash of the content, so a change of the content is a change of the key."
            )
        },
    )
    return asset
