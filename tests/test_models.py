import torch
import torch.nn.functional as F

from cnn.models import CNN, MLP
from cnn.shapes import count_parameters


def test_parameters():
    by_hand = (32 * 9 + 32) + (64 * 32 * 9 + 64) + (9216 * 128 + 128) + (128 * 10 + 10)
    assert count_parameters(CNN()) == by_hand == 1_199_882
    by_hand = (784 * 770 + 770) + (770 * 770 + 770) + (770 * 10 + 10)
    assert count_parameters(MLP()) == by_hand == 1_205_830


def test_cnn_is_this_chain_of_functions():
    torch.manual_seed(0)
    model, X = CNN().eval(), torch.rand(3, 1, 28, 28)
    conv1, conv2, dense1, dense2 = model[0], model[2], model[7], model[10]
    by_hand = F.conv2d(X, conv1.weight, conv1.bias).relu()
    by_hand = F.conv2d(by_hand, conv2.weight, conv2.bias).relu()
    by_hand = F.max_pool2d(by_hand, 2).flatten(1)
    by_hand = (by_hand @ dense1.weight.T + dense1.bias).relu()
    by_hand = by_hand @ dense2.weight.T + dense2.bias
    assert torch.allclose(model(X), by_hand, atol=1e-5)


def test_dropout_acts_in_training_only():
    for model in (CNN(), MLP(hidden=50)):
        X = torch.rand(2, 1, 28, 28)
        assert torch.equal(model.eval()(X), model(X))
        assert not torch.equal(model.train()(X), model(X))


def test_logits_are_not_probabilities():
    logits = CNN().eval()(torch.rand(4, 1, 28, 28))
    assert logits.shape == (4, 10)
    assert not torch.allclose(logits.sum(dim=1), torch.ones(4))
