"""The workloads in PyTorch, where it is installed: a loop over batches, eager or compiled."""

import jax
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tests.benchmarks.programs import Program

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def linear(weights):
    kernel, bias = weights
    layer = nn.Linear(*kernel.shape)
    layer.weight.data, layer.bias.data = torch.tensor(kernel.T), torch.tensor(bias)
    return layer


def convolution(weights):
    kernel, bias = weights
    height, _, inputs, filters = kernel.shape
    layer = nn.Conv2d(inputs, filters, height)
    layer.weight.data, layer.bias.data = (
        torch.tensor(kernel.transpose(3, 2, 0, 1)),
        torch.tensor(bias),
    )
    return layer


def norm(weights):
    gamma, beta = weights
    layer = nn.LayerNorm(len(gamma), eps=1e-3)
    layer.weight.data, layer.bias.data = torch.tensor(gamma), torch.tensor(beta)
    return layer


class Dense(nn.Sequential):
    """Dense layers with ReLU between them."""

    def __init__(self, w):
        layers = [linear(w[i : i + 2]) for i in range(0, len(w), 2)]
        super().__init__(*(part for layer in layers for part in (layer, nn.ReLU())))
        del self[-1]


class WideAndDeep(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.hidden = nn.Sequential(linear(w[0:2]), nn.ReLU(), linear(w[2:4]), nn.ReLU())
        self.a, self.b = linear(w[4:6]), linear(w[6:8])

    def forward(self, x):
        wide, deep = x
        hidden = self.hidden(deep)
        return self.a(torch.cat([wide, hidden], dim=-1)), self.b(hidden)


class Convnet(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.first, self.second, self.head = (
            convolution(w[0:2]),
            convolution(w[2:4]),
            linear(w[4:6]),
        )

    def forward(self, x):
        h = functional.max_pool2d(functional.relu(self.first(x.permute(0, 3, 1, 2))), 2)
        h = functional.max_pool2d(functional.relu(self.second(h)), 2)
        return self.head(h.permute(0, 2, 3, 1).flatten(1))  # in Keras's order


class Lstm(nn.Module):
    def __init__(self, w):
        super().__init__()
        kernel, recurrent, bias = w[0:3]
        self.lstm = nn.LSTM(len(kernel), len(recurrent), batch_first=True)
        self.lstm.weight_ih_l0.data = torch.tensor(kernel.T.copy())
        self.lstm.weight_hh_l0.data = torch.tensor(recurrent.T.copy())
        self.lstm.bias_ih_l0.data = torch.tensor(bias)
        self.lstm.bias_hh_l0.data.zero_()
        self.lstm.bias_hh_l0.requires_grad = False  # Keras has one bias
        self.head = linear(w[3:5])

    def forward(self, x):
        return self.head(self.lstm(x)[1][0][0])


class Transformer(nn.Module):
    def __init__(self, w):
        super().__init__()
        flat = [a.reshape(32, 32) if a.ndim == 3 else a.reshape(-1) for a in w[2:10]]
        self.first = linear(w[0:2])
        self.query, self.key, self.value, self.out = (linear(flat[i : i + 2]) for i in (0, 2, 4, 6))
        self.norms = nn.ModuleList([norm(w[10:12]), norm(w[16:18])])
        self.mlp = nn.Sequential(linear(w[12:14]), nn.ReLU(), linear(w[14:16]))
        self.head = linear(w[18:20])

    def forward(self, x):
        x = self.first(x)
        q, k, v = (
            f(x).unflatten(-1, (4, 8)).transpose(1, 2) for f in (self.query, self.key, self.value)
        )
        h = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = self.norms[0](x + self.out(h))
        return self.head(self.norms[1](x + self.mlp(x)).mean(dim=1))


NETS = {
    "regression": Dense,
    "wide and deep": WideAndDeep,
    "Fashion-MNIST MLP": lambda w: nn.Sequential(nn.Flatten(), Dense(w)),
    "convnet": Convnet,
    "LSTM": Lstm,
    "transformer": Transformer,
}


class TorchLoop(Program):
    """PyTorch as it comes: forward, backward and step of the optimizer for each batch."""

    name = "PyTorch loop"

    def prepare(self):
        self.net = NETS[self.workload.name]([np.array(w) for w in self.weights]).to(DEVICE)
        self.data = jax.tree.map(lambda a: torch.tensor(a, device=DEVICE), (self.x, self.y))
        parameters = [p for p in self.net.parameters() if p.requires_grad]
        self.optimizer = (
            torch.optim.SGD(parameters, lr=0.01)
            if self.workload.optimizer == "sgd"
            else torch.optim.Adam(parameters, lr=1e-3, eps=1e-8)
        )
        self.loss = self.make_loss()

    def make_loss(self):
        """Returns the mean loss of a batch."""
        net, classes = self.net, self.workload.loss != "mse"

        def loss(x, y):
            outputs = net(x)
            if classes:  # of logits, as is usual in PyTorch
                return functional.cross_entropy(outputs, y.long())
            pairs = zip(outputs, y) if isinstance(outputs, tuple) else [(outputs, y)]
            return sum(functional.mse_loss(o, t) for o, t in pairs)

        return loss

    def epoch(self, count=1):
        size = self.workload.batch_size
        for _ in range(count):
            order = torch.randperm(self.rows, device=DEVICE)
            for start in range(0, self.rows, size):
                rows = order[start : start + size]
                x, y = jax.tree.map(lambda a, rows=rows: a[rows], self.data)
                self.optimizer.zero_grad()
                loss = self.loss(x, y)
                loss.backward()
                self.optimizer.step()
        loss.item()


class TorchCompiled(TorchLoop):
    """The same with `torch.compile`."""

    name = "PyTorch loop, compiled"

    def make_loss(self):
        torch.compiler.reset()  # else its limit of compilations counts the other workloads'
        return torch.compile(super().make_loss(), dynamic=False)
