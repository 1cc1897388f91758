"""`import torch` without PyTorch: pyborch's NumPy tensors in its place, mended where they differ.

PyTorch has no build for WebAssembly. The stand-in computes the same values with numpy; what it
lacks and the course needs is added here, and what the course imports without needing it in a page
is a module that fails when it is used, not when it is imported.
"""

import contextlib
import functools
import importlib
import importlib.abc
import importlib.machinery
import math
import os
import pathlib
import sys
import types

ABSENT = {  # imported by the course; nothing of it runs in a page
    "torch.distributed": [],
    "torch.profiler": ["ProfilerActivity", "profile", "record_function"],
    "torch.nn.parallel": ["DistributedDataParallel"],
    "torch.multiprocessing": [],
    "captum": [],
    "captum.attr": ["GradientShap", "IntegratedGradients", "Saliency"],
}


class NotInThePage(RuntimeError):
    """Something of PyTorch that the stand-in does not have."""


class Absent(types.ModuleType):
    """A module that can be imported, and says what it is when it is used."""

    __path__ = ()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        whole = f"{self.__name__}.{name}"

        class Missing:
            def __init__(self, *args, **kwargs):
                raise NotInThePage(f"{whole} is not in the engine of this page.")

        Missing.__name__ = Missing.__qualname__ = name
        return Missing


class Alias(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `torch.x.y` as the attribute x.y of the stand-in, and the absent modules."""

    def find_spec(self, name, path=None, target=None):
        if name in ABSENT or name.partition(".")[0] in ("torch", "torchvision", "IPython"):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        if spec.name in ABSENT:
            return Absent(spec.name)
        if spec.name == "torch":
            return stand_in()
        if spec.name == "torchvision":
            return types.ModuleType("torchvision")
        if spec.name == "torchvision.datasets":
            return datasets()
        if spec.name.startswith("IPython"):
            return notebook(spec.name)
        above, _, name = spec.name.rpartition(".")
        if above == "torchvision":  # large, so only when it is asked for
            above = "borchvision"
        found = getattr(importlib.import_module(above), name, None)
        if found is None:
            raise ModuleNotFoundError(f"{spec.name} is not in the engine of this page.")
        module = types.ModuleType(spec.name)
        names = [name for name in dir(found) if not name.startswith("__")]
        module.__dict__.update({name: getattr(found, name) for name in names})
        return module

    def exec_module(self, module):
        pass


def install():
    """Make `import torch` and `import torchvision` find the stand-in."""
    sys.meta_path.insert(0, Alias())


def stand_in():
    """The module that `import torch` gives."""
    import borch

    torch = types.ModuleType("torch")
    torch.__dict__.update({k: v for k, v in vars(borch).items() if not k.startswith("__")})
    torch.__version__ = "2.14.1"
    mend(torch)
    return torch


def notebook(name):
    """`IPython`, as far as the course uses it: pictures that a cell shows."""
    module = types.ModuleType(name)
    if name != "IPython.display":
        module.version_info = (9, 0)
        module.get_ipython = lambda: None
        return module

    class Image:
        def __init__(self, data=None, format="png", **_):
            self.png = data

    module.Image = Image
    return module


def datasets():
    """`torchvision.datasets`, as far as the course uses it: MNIST from its extracted files."""
    import numpy as np
    import torch

    class MNIST:
        resources = (
            ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
            ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
            ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
            ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
        )

        def __init__(self, root, train=True, transform=None):
            self.transform = transform
            part = pathlib.Path(root, "MNIST", "raw", "train" if train else "t10k")
            images = np.fromfile(f"{part}-images-idx3-ubyte", np.uint8, offset=16)
            labels = np.fromfile(f"{part}-labels-idx1-ubyte", np.uint8, offset=8)
            self.data = torch.from_numpy(images.reshape(-1, 28, 28))
            self.targets = torch.from_numpy(labels.astype(np.int64))

        def __len__(self):
            return len(self.data)

        def __getitem__(self, index):
            from PIL import Image

            picture = Image.fromarray(self.data[index].numpy())
            picture = self.transform(picture) if self.transform else picture
            return picture, int(self.targets[index])

    module = types.ModuleType("torchvision.datasets")
    module.MNIST = MNIST
    module.ImageFolder = Absent("torchvision.datasets").ImageFolder
    return module


def mend(torch):
    """Add to the stand-in what the course uses and it lacks."""
    _add_types(torch)
    _add_operators(torch)
    _add_random(torch)
    plain_randint = torch.randint

    def randint(*args, **kwargs):
        if len(args) >= 2 and isinstance(args[1], (tuple, list)):
            args = (0, *args)  # PyTorch's low may be left out
        return plain_randint(*args, **kwargs)

    torch.randint = randint
    torch.autograd.set_detect_anomaly = lambda mode, **_: None
    for name, value in {
        "get_num_threads": lambda: 1,
        "set_num_threads": lambda n: None,
        "are_deterministic_algorithms_enabled": lambda: False,
        "use_deterministic_algorithms": lambda mode, **_: None,
        "is_anomaly_enabled": lambda: False,
    }.items():
        if not hasattr(torch, name):
            setattr(torch, name, value)


def _add_types(torch):
    """uint8, int32 and float64, which the stand-in knows by name only.

    It narrows each float64 array, since NumPy makes them by accident (int64 + float32). An array
    that somebody asked for in double precision is marked, by its class, and the mark stays in what
    NumPy computes from it.
    """
    import numpy as np
    from borch import _base, _ops, _tensor

    plain = np.ndarray.astype

    class Wide(np.ndarray):
        __array_priority__ = 1

        def __array_function__(self, function, types, args, kwargs):
            out = super().__array_function__(function, types, args, kwargs)
            lost = isinstance(out, np.ndarray) and out.dtype in marked
            return out.view(Wide) if lost and not isinstance(out, Wide) else out

        def astype(self, dtype, *args, **kwargs):
            if self.dtype == np.float64 and np.dtype(dtype) == np.float32:
                return self  # an operation that would narrow its result
            return plain(self, dtype, *args, **kwargs)

    kept = {np.dtype(name) for name in ("bool", "int64", "float32", "uint8", "complex64")}
    marked = {np.dtype("float64"), np.dtype("int32")}

    def stored(array, parents):
        if array.dtype in kept:
            return array if type(array) is np.ndarray else array.view(np.ndarray)
        if array.dtype in marked:
            if isinstance(array, Wide):
                return array
            if any(parent._array.dtype == np.float64 for parent in parents):
                return array.view(Wide)
        return plain(
            array,
            {"i": np.int64, "u": np.int64, "c": np.complex64}.get(array.dtype.kind, np.float32),
        )

    def cast(self, target):
        target = np.dtype(target)
        out = plain(self._array.view(np.ndarray), target)
        out = out.view(Wide) if target in marked else out
        if target.kind != "f":
            return torch.Tensor(out)
        mine = self._array.dtype
        return self._make(out, (self,), lambda g: (plain(np.asarray(g), mine),), "ToCopyBackward0")

    def init(self, data, requires_grad=False, _parents=(), _backward=None):
        self._array = stored(np.asanyarray(data), _parents)
        self.requires_grad, self.grad = bool(requires_grad), None
        self._parents, self._backward = _parents, _backward
        self._freed, self._op = False, None
        if self.requires_grad and self._array.dtype.kind not in "fc":
            raise RuntimeError(
                "only Tensors of floating point and complex dtype can require gradients"
            )

    def typed(self, dtype=None, non_blocking=False):
        if dtype is None:
            return plain_type(self)
        return cast(self, getattr(dtype, "np", dtype))

    plain_made, plain_tensor = _ops._made, torch.tensor

    def made(array, dtype=None, requires_grad=False, *rest):
        if dtype is not None and np.dtype(getattr(dtype, "np", dtype)) in marked:
            array = np.asarray(array).astype(dtype.np).view(Wide)
            return torch.Tensor(array, requires_grad=requires_grad)
        return plain_made(array, dtype, requires_grad, *rest)

    def tensor(data, *, dtype=None, requires_grad=False, **rest):
        if dtype is not None and np.dtype(dtype.np) in marked:
            return made(np.array(data), dtype, requires_grad)
        return plain_tensor(data, dtype=dtype, requires_grad=requires_grad, **rest)

    def from_numpy(array):
        return torch.Tensor(array.view(Wide) if array.dtype in marked else array)

    _everywhere("_made", made)
    _everywhere("_requested_dtype", lambda dtype, where="": dtype)
    torch.tensor, torch.from_numpy = tensor, from_numpy
    plain_type = torch.Tensor.type
    torch.Tensor.__init__, torch.Tensor._cast, torch.Tensor.type = init, cast, typed
    for name, dtype in {"uint8": np.uint8, "int32": np.int32}.items():
        known = _base.dtype(name, dtype)
        setattr(torch, name, known)
        _base._NP_TO_DTYPE[np.dtype(dtype)] = known
    torch.int, torch.double = torch.int32, torch.float64
    torch.Tensor.int = lambda self: cast(self, np.int32)
    torch.Tensor.byte = lambda self: cast(self, np.uint8)
    torch.Tensor.double = lambda self: cast(self, np.float64)
    torch.Tensor.float = lambda self: cast(self, np.float32)
    _tensor._RANK.update({np.dtype("uint8"): 5, np.dtype("int32"): 9})


def _add_operators(torch):
    """Operators, methods and forms of calls."""
    import numpy as np

    torch.Tensor.__invert__ = lambda self: torch.logical_not(self)
    plain_item = torch.Tensor.__getitem__

    def getitem(self, key):
        found = plain_item(self, key)
        keys = key if isinstance(key, tuple) else (key,)
        if any(isinstance(one, (torch.Tensor, list)) for one in keys):
            found._array = np.ascontiguousarray(found._array).reshape(found._array.shape)
        return found

    torch.Tensor.__getitem__ = getitem
    torch.Tensor.__xor__ = lambda self, other: torch.logical_xor(self, other)
    torch.autocast = _without_autocast
    torch.Tensor.__abs__ = lambda self: torch.abs(self)
    torch.accelerator = types.SimpleNamespace(
        is_available=lambda: False, current_accelerator=lambda **_: None, synchronize=lambda: None
    )
    _add_hooks(torch.nn.Module)
    torch.Tensor.__format__ = lambda self, form: (
        format(self.item(), form) if self.ndim == 0 else object.__format__(self, form)
    )
    torch.Size.__getitem__ = lambda self, place: (
        torch.Size(found) if isinstance(found := tuple.__getitem__(self, place), tuple) else found
    )
    torch.Size.numel = lambda self: math.prod(self)
    for name in ("mean", "var", "std"):
        method = _over_several_axes(getattr(torch.Tensor, name))
        setattr(torch.Tensor, name, method)
        setattr(torch, name, method)

    def double(self):
        for tensor in [*self.parameters(), *self.buffers()]:
            if tensor.is_floating_point():
                tensor._array = tensor.double()._array
        return self

    torch.nn.Module.double = double
    _lay_out_results(torch)
    plain_pinv = torch.linalg.pinv

    def pinv(A, **options):  # without the large matrices that only a gradient needs
        needs_gradient = A.requires_grad or options
        return plain_pinv(A, **options) if needs_gradient else torch.Tensor(np.linalg.pinv(A.data))

    torch.linalg.pinv = pinv
    for name in ("Conv2d", "Conv1d", "ConvTranspose2d", "Linear", "BatchNorm2d", "LayerNorm"):
        layer = getattr(torch.nn, name)
        layer.__init__ = _with_dtype(layer.__init__, torch)
    for name in ("no_grad", "enable_grad", "inference_mode"):
        mode = getattr(torch, name)
        mode.__call__ = _as_decorator(mode)

    def unflatten(self, dim, sizes):
        known = math.prod(size for size in sizes if size != -1)
        sizes = [self.shape[dim] // known if size == -1 else size for size in sizes]
        dim %= self.ndim
        return self.reshape(*self.shape[:dim], *sizes, *self.shape[dim + 1 :])

    torch.Tensor.unflatten = unflatten


def _without_autocast(device_type=None, dtype=None, enabled=True, **_):
    if enabled:
        raise NotInThePage("autocast is not in the engine of this page.")
    return contextlib.nullcontext()


def _add_hooks(module):
    """`register_forward_hook`: functions that see, and may replace, what a layer puts out."""
    plain = module.__call__

    class Handle:
        def __init__(self, hooks, hook):
            self.hooks, self.hook = hooks, hook

        def remove(self):
            if self.hook in self.hooks:
                self.hooks.remove(self.hook)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.remove()

    def register(self, hook):
        hooks = self.__dict__.get("_forward_hooks_of_page")
        if hooks is None:
            hooks = []
            object.__setattr__(self, "_forward_hooks_of_page", hooks)
        hooks.append(hook)
        return Handle(hooks, hook)

    def called(self, *args, **kwargs):
        output = plain(self, *args, **kwargs)
        for hook in list(self.__dict__.get("_forward_hooks_of_page") or ()):
            changed = hook(self, args, output)
            output = output if changed is None else changed
        return output

    if not hasattr(module, "register_forward_hook"):
        module.register_forward_hook, module.__call__ = register, called


def _lay_out_results(torch):
    """Results of convolution and pooling in PyTorch's order of memory, as `view` wants it."""

    def in_order(function):
        @functools.wraps(function)
        def ordered(*args, **kwargs):
            result = function(*args, **kwargs)
            if isinstance(result, torch.Tensor):
                result._array = _contiguous(result._array)
            return result

        return ordered

    def _contiguous(array):
        return array if array.flags.c_contiguous else array.copy(order="C")

    functional = torch.nn.functional
    for name in ("unfold", "max_pool2d", "avg_pool2d", "conv_transpose2d"):
        if hasattr(functional, name):
            made = in_order(getattr(functional, name))
            setattr(functional, name, made)
            _everywhere(name, made)
    plain = in_order(functional.conv2d)

    def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        if padding == "valid":
            padding = 0
        elif padding == "same":
            dilations = (dilation, dilation) if isinstance(dilation, int) else dilation
            height, width = (d * (k - 1) for d, k in zip(dilations, weight.shape[2:]))
            sides = width // 2, width - width // 2, height // 2, height - height // 2
            input, padding = functional.pad(input, sides), 0
        return plain(input, weight, bias, stride, padding, dilation, groups)

    functional.conv2d = torch.conv2d = conv2d
    _everywhere("conv2d", conv2d)


def _with_dtype(init, torch):
    """The constructor of a layer that takes dtype=."""

    def made(self, *args, dtype=None, device=None, **kwargs):
        init(self, *args, **kwargs)
        if dtype is torch.float64:
            self.double()

    return functools.wraps(init)(made)


def _as_decorator(mode):
    def decorate(self, function):
        @functools.wraps(function)
        def inside(*args, **kwargs):
            with mode():
                return function(*args, **kwargs)

        return inside

    return decorate


def _over_several_axes(method):
    """A reduction that takes one axis, for a tuple of them."""

    def reduced(self, dim=None, *args, keepdim=False, **kwargs):
        if not isinstance(dim, (tuple, list)):
            return method(self, dim, *args, keepdim=keepdim, **kwargs)
        dims = sorted(axis % self.ndim for axis in dim)
        rest = [axis for axis in range(self.ndim) if axis not in dims]
        shape = [self.shape[axis] for axis in rest]
        result = method(self.permute(*rest, *dims).reshape(*shape, -1), -1, *args, **kwargs)
        if not keepdim:
            return result
        return result.reshape(
            [1 if axis in dims else self.shape[axis] for axis in range(self.ndim)]
        )

    return reduced


def _everywhere(name, value):
    """Give a name of the stand-in another value in each of its modules that has it."""
    for module_name, module in list(sys.modules.items()):
        if module_name.partition(".")[0] in ("borch", "borchvision") and name in vars(module):
            setattr(module, name, value)


def _add_random(torch):
    """PyTorch's own random numbers, so that a seed gives the values of the page."""
    from borch import _data
    from twister import Twister

    shared = Twister()
    _everywhere("_rng", shared)

    class Generator:
        def __init__(self, device="cpu"):
            self._rng = Twister()

        def manual_seed(self, seed):
            self.last = seed
            self._rng.seed(seed)
            return self

        def initial_seed(self):
            return self.last

        def rng(self):
            return self._rng

    def manual_seed(seed):
        shared.seed(seed)

    def new_seed():
        seed = int.from_bytes(os.urandom(4), "little")
        shared.seed(seed)
        return seed

    def in_double(function):
        def drawn(*args, dtype=None, generator=None, **kwargs):
            stream = generator.rng() if generator is not None else shared
            stream.double = dtype is torch.float64
            try:
                if generator is not None:
                    kwargs["generator"] = generator
                return function(*args, dtype=dtype, **kwargs)
            finally:
                stream.double = False

        return drawn

    class Sampler(_data.RandomSampler):
        def __iter__(self):
            n = len(self.data_source)
            if self.generator is None:
                return iter(shared.epoch(n).tolist())
            return iter(self.generator.rng().permutation(n).tolist())

    _everywhere("RandomSampler", Sampler)
    torch.Generator, torch.manual_seed, torch.seed = Generator, manual_seed, new_seed
    torch.get_rng_state = lambda: shared.state
    torch.set_rng_state = lambda state: setattr(shared, "state", state)
    torch.rand, torch.randn = in_double(torch.rand), in_double(torch.randn)
    torch.default_generator = types.SimpleNamespace(seed=new_seed)
