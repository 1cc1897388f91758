import math

import pytest
import torch
import torch.nn.functional as F
from experiments import vit as experiments

from cnn.models import (
    EncoderBlock,
    MeanPoolViT,
    MultiHeadAttention,
    PatchEmbedding,
    PostNormBlock,
    RegisterViT,
    ViT,
    attention,
    small_cnn,
    small_mlp,
)
from cnn.shapes import count_parameters


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def test_patch_embedding_is_slice_flatten_linear():
    embedding, X = PatchEmbedding(patch_size=4, dim=8), torch.rand(2, 1, 28, 28)
    tokens = embedding(X)
    assert tokens.shape == (2, 49, 8)
    for row, column in [(0, 0), (2, 5), (6, 6)]:
        patch = X[:, 0, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4].flatten(1)
        by_hand = F.linear(patch, embedding.project.weight.flatten(1), embedding.project.bias)
        assert torch.allclose(tokens[:, 7 * row + column], by_hand, atol=1e-6)


def test_attention_by_hand():
    Q = torch.tensor([[2 * math.log(3.0), 0, 0, 0]])  # one query, d = 4: divided by 2
    K = torch.tensor([[1.0, 0, 0, 0], [0, 1, 0, 0]])
    outputs, weights = attention(Q, K, torch.tensor([[8.0], [0.0]]))
    assert torch.allclose(weights, torch.tensor([[0.75, 0.25]]))
    assert torch.allclose(outputs, torch.tensor([[6.0]]))


def test_attention_is_that_of_torch():
    Q, K, V = torch.randn(3, 2, 4, 5, 8)
    outputs, weights = attention(Q, K, V)
    assert torch.allclose(outputs, F.scaled_dot_product_attention(Q, K, V), atol=1e-6)
    assert torch.allclose(weights.sum(dim=-1), torch.ones(2, 4, 5))


def test_multi_head_attention_is_that_of_torch():
    ours, X = MultiHeadAttention(dim=12, heads=3), torch.randn(2, 5, 12)
    theirs = torch.nn.MultiheadAttention(12, 3, batch_first=True)
    theirs.load_state_dict(
        {
            "in_proj_weight": ours.to_qkv.weight,
            "in_proj_bias": ours.to_qkv.bias,
            "out_proj.weight": ours.project.weight,
            "out_proj.bias": ours.project.bias,
        }
    )
    expected, weights = theirs(X, X, X, average_attn_weights=False)
    assert torch.allclose(ours(X), expected, atol=1e-6)
    assert torch.allclose(ours.weights, weights, atol=1e-6)
    assert not ours.weights.requires_grad


@pytest.mark.parametrize(("block", "norm_first"), [(EncoderBlock, True), (PostNormBlock, False)])
def test_block_is_that_of_torch(block, norm_first):
    ours, X = block(dim=12, heads=3), torch.randn(2, 5, 12)
    theirs = torch.nn.TransformerEncoderLayer(
        12, 3, 24, dropout=0.0, activation="gelu", batch_first=True, norm_first=norm_first
    )
    names = {"norm1": "norm1", "norm2": "norm2", "linear1": "mlp.0", "linear2": "mlp.2"}
    names |= {"self_attn.out_proj": "attention.project"}
    given = ours.state_dict()
    state = {f"{a}.{w}": given[f"{b}.{w}"] for a, b in names.items() for w in ("weight", "bias")}
    for w in ("weight", "bias"):
        state[f"self_attn.in_proj_{w}"] = given[f"attention.to_qkv.{w}"]
    theirs.load_state_dict(state)
    assert torch.allclose(ours(X), theirs(X), atol=1e-5)


@pytest.mark.parametrize(("patch_size", "dim", "depth"), [(7, 32, 3), (4, 16, 2), (14, 8, 1)])
def test_parameters_by_formula(patch_size, dim, depth):
    model = ViT(patch_size, dim, depth)
    D, P = dim, (28 // patch_size) ** 2
    embedding = D * (patch_size**2 + 1) + D + (1 + P) * D
    block = 8 * D**2 + 11 * D
    assert count_parameters(model) == embedding + depth * block + 2 * D + 10 * D + 10
    without = ViT(patch_size, dim, depth, positions=False)
    assert count_parameters(model) - count_parameters(without) == (1 + P) * D


def test_logits_and_default_size():
    model = ViT()
    assert model(torch.rand(2, 1, 28, 28)).shape == (2, 10)
    assert count_parameters(model) == 19_658


def shuffled(X):
    """The four quarters of each image in another order."""
    (a, b), (c, d) = [part.split(14, dim=3) for part in X.split(14, dim=2)]
    return torch.cat([torch.cat([d, a], dim=3), torch.cat([b, c], dim=3)], dim=2)


def test_without_positions_the_order_of_patches_does_not_matter():
    X = torch.rand(3, 1, 28, 28)
    blind, sees = (ViT(positions=p).double().eval() for p in (False, True))
    X = X.double()
    assert torch.allclose(blind(X), blind(shuffled(X)), atol=1e-12)
    assert not torch.allclose(sees(X), sees(shuffled(X)), atol=1e-3)


def test_positions_learn_only_if_there_are_any():
    for positions in (False, True):
        model = ViT(positions=positions)
        model(torch.rand(2, 1, 28, 28)).sum().backward()
        assert (model.positions.grad is not None) == positions


def test_mean_pooling_needs_no_class_token():
    model, X = MeanPoolViT().eval(), torch.rand(2, 1, 28, 28)
    before = model(X)
    model.class_token.data += torch.randn(32)
    assert torch.equal(model(X), before)
    model.positions.data[:, 5] += torch.randn(32)
    assert not torch.allclose(model(X), before, atol=1e-3)


def test_registers_are_four_more_tokens():
    model, X = RegisterViT(), torch.rand(2, 1, 28, 28)
    assert model.tokens(X).shape == (2, 17 + 4, 32)
    assert model(X).shape == (2, 10)
    assert count_parameters(model) == count_parameters(ViT()) + 4 * 32


def test_networks_of_equal_size():
    X = torch.rand(2, 1, 28, 28)
    for network, parameters in [(small_cnn(), 19_702), (small_mlp(), 19_090)]:
        assert network(X).shape == (2, 10)
        assert count_parameters(network) == parameters


def test_taking_tokens_away_is_masking_their_keys():
    model, X, scores = ViT().eval(), torch.rand(3, 1, 28, 28), torch.rand(3, 16)
    assert torch.allclose(experiments.without(model, X, scores, k=0), model(X), atol=1e-5)
    absent = torch.zeros(3, 17, dtype=torch.bool)
    absent[:, 1:].scatter_(1, scores.topk(2, dim=1).indices, True)
    hidden = -1e9 * absent[:, None, None].float()  # (N, 1, 1, T), added to all scores
    Z = model.tokens(X)
    for block in model.blocks:
        QKV = block.attention.to_qkv(block.norm1(Z)).view(3, 17, 3, 4, 8)
        Q, K, V = QKV.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(Q, K, V, attn_mask=hidden)
        Z = Z + block.attention.project(mixed.transpose(1, 2).flatten(2))
        Z = Z + block.mlp(block.norm2(Z))
    masked = model.head(model.norm(Z[:, 0]))
    assert torch.allclose(experiments.without(model, X, scores), masked, atol=1e-5)


def test_the_control_pair_is_another_pair_with_as_much_ink():
    ink, scores = torch.rand(20, 16), torch.rand(20, 16)
    matched, gap = experiments.matched_pair(ink, scores)
    top = torch.zeros_like(scores).scatter(1, scores.topk(2, dim=1).indices, 1.0)
    assert (matched.sum(dim=1) == 2).all()
    assert (matched * top == 0).all()
    difference = ((matched - top) * ink).sum(dim=1).abs()
    assert torch.allclose(difference, gap, atol=1e-6)
    assert gap.mean() < 0.1


def test_rollout_of_layers_that_only_look_at_themselves_is_the_identity():
    weights = torch.eye(5).expand(3, 2, 5, 5)
    assert torch.equal(experiments.rollout(weights), torch.eye(5).expand(2, 5, 5))
