"""Words for what signatures take, where no type of Python's says it.

All of them stand for `Any`: variables and symbolic tensors are arrays to this library, and to no
type checker.
"""

from typing import Any, TypeAlias

# An array of JAX or NumPy, a variable, a symbolic tensor, a number, or nested lists of numbers.
ArrayLike: TypeAlias = Any
# One such array, or arrays in lists, tuples and dicts.
Structure: TypeAlias = Any
# A tuple or list of sizes, None for an unknown one; where there are several arrays, a structure.
Shape: TypeAlias = Any
# The name of a dtype, such as "float32", a dtype of NumPy's or JAX's, or None for the default.
DTypeLike: TypeAlias = Any
# What models are given to train on: a structure of arrays, or something that gives batches.
Data: TypeAlias = Any
# An integer, a `SeedGenerator`, a key of JAX's, or None for draws of the global seed.
Seed: TypeAlias = Any
# What stands for an object in a constructor: its name, config, class, the object, or a function.
Identifier: TypeAlias = Any
# The number of an axis, or several of them.
Axis: TypeAlias = Any
# One number for all axes, or one for each; or a word, such as a kind of padding.
Sizes: TypeAlias = Any
# A key of JAX's; for what is computed on the host, a generator of NumPy's.
Key: TypeAlias = Any
# A number, a schedule, or a function without arguments that gives the number.
LearningRate: TypeAlias = Any
# Objects of classes of outer files, which the file that takes them cannot import.
AnyLayer: TypeAlias = Any
AnyModel: TypeAlias = Any
AnyOptimizer: TypeAlias = Any
AnyVariable: TypeAlias = Any
