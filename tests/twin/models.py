"""The networks of the cooperative system written a second time, in PyTorch, from their published description.

Names are those of the state dicts that the Lua models read, so weights go both ways unchanged.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F


class DenseLayer(nn.Module):
    def __init__(self, cin, growth=32):
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(cin), nn.Conv2d(cin, 4 * growth, 1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(4 * growth), nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x):
        y = self.conv1(F.relu(self.norm1(x)))
        return torch.cat([x, self.conv2(F.relu(self.norm2(y)))], 1)


class DenseNet(nn.Module):
    """features(x) ends before the last ReLU and includes norm5; tap() also gives denseblock4's output, F4."""

    def __init__(self, blocks, classes=3, channels=3, growth=32, initial=64):
        super().__init__()
        f = nn.Module()
        f.conv0, f.norm0 = nn.Conv2d(channels, initial, 7, 2, 3, bias=False), nn.BatchNorm2d(initial)
        width = initial
        for b, layers in enumerate(blocks, 1):
            block = nn.Module()
            for l in range(1, layers + 1):
                block.add_module(f"denselayer{l}", DenseLayer(width, growth))
                width += growth
            f.add_module(f"denseblock{b}", block)
            if b < len(blocks):
                t = nn.Module()
                t.norm, t.conv = nn.BatchNorm2d(width), nn.Conv2d(width, width // 2, 1, bias=False)
                f.add_module(f"transition{b}", t)
                width //= 2
        f.norm5 = nn.BatchNorm2d(width)
        self.features, self.classifier, self.blocks, self.width = f, nn.Linear(width, classes), blocks, width

    def tap(self, x):
        f = self.features
        x = F.max_pool2d(F.relu(f.norm0(f.conv0(x))), 3, 2, 1)
        for b, layers in enumerate(self.blocks, 1):
            block = getattr(f, f"denseblock{b}")
            for l in range(1, layers + 1):
                x = getattr(block, f"denselayer{l}")(x)
            if b < len(self.blocks):
                t = getattr(f, f"transition{b}")
                x = F.avg_pool2d(t.conv(F.relu(t.norm(x))), 2)
        return x

    def final(self, f4):
        return F.relu(self.features.norm5(f4))

    def forward(self, x):
        return self.classifier(self.final(self.tap(x)).mean((2, 3)))


def densenet(kind, **options):
    return DenseNet({121: (6, 12, 24, 16), 201: (6, 12, 48, 32)}[kind], **options)


class SE(nn.Module):
    def __init__(self, c):
        super().__init__()
        r = c // min(16, c)
        self.fc1, self.fc2 = nn.Linear(c, r, bias=False), nn.Linear(r, c, bias=False)

    def forward(self, x):
        s = torch.sigmoid(self.fc2(F.relu(self.fc1(x.mean((2, 3))))))
        return x * s[:, :, None, None]


class ResSEBlock(nn.Module):
    def __init__(self, i, o, se=True, shortcut=True):
        super().__init__()
        self.shortcut = nn.Conv2d(i, o, 3, padding=1) if shortcut else None
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, padding=1), nn.BatchNorm2d(o)
        self.se = SE(o) if se else nn.Identity()

    def forward(self, x):
        h = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.shortcut:
            return self.se(F.relu(h + self.shortcut(x)))
        return self.se(F.relu(h + F.pad(x, (0, 0, 0, 0, 0, h.shape[1] - x.shape[1]))))


class ResSE(nn.Module):
    def __init__(self, width=1.0, channels=1, se=True, shortcut=True):
        super().__init__()
        w = [channels] + [int(c * width) for c in (64, 128, 256, 512, 1024)]
        for k in range(1, 6):
            self.add_module(f"block{k}", ResSEBlock(w[k - 1], w[k], se, shortcut))

    def forward(self, x):
        maps = []
        for k in range(1, 6):
            x = getattr(self, f"block{k}")(x if k == 1 else F.max_pool2d(x, 2))
            maps.append(x)
        return maps


class Up(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b)

    def forward(self, x):
        return F.relu(self.bn(self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))))


class Conv2(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o)
        self.conv2, self.bn2 = nn.Conv2d(o, o, 3, padding=1), nn.BatchNorm2d(o)

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class Decoder(nn.Module):
    def __init__(self, width=1.0, f4=1920):
        super().__init__()
        e = [int(c * width) for c in (64, 128, 256, 512, 1024)]
        ups = [e[0], e[0], e[1], e[2], e[3]]  # width of step k's up and output
        source = [ups[1], ups[2], ups[3], ups[4] if f4 else e[4], f4]
        self.steps = 5 if f4 else 4  # without F4 from the encoder's last map
        for k in range(self.steps, 0, -1):
            self.add_module(f"up{k}", Up(source[k - 1], ups[k - 1]))
            self.add_module(f"conv{k}", Conv2(e[k - 1] + ups[k - 1], ups[k - 1]))

    def forward(self, f4, maps):
        d = maps[4] if f4 is None else f4
        for k in range(self.steps, 0, -1):
            d = getattr(self, f"conv{k}")(torch.cat([maps[k - 1], getattr(self, f"up{k}")(d)], 1))
        return d


class Head(nn.Module):
    def __init__(self, width=1.0, maps=1):
        super().__init__()
        c = int(64 * width)
        self.conv1, self.bn1, self.conv2 = nn.Conv2d(c, c, 3, padding=1), nn.BatchNorm2d(c), nn.Conv2d(c, maps, 1)

    def forward(self, d1):
        return self.conv2(F.relu(self.bn1(self.conv1(d1))))


class Fusion(nn.Module):
    def __init__(self, f5=1920, d1=64, classes=3, dropout=0.25):
        super().__init__()
        self.fc1, self.fc2, self.dropout = nn.Linear(f5 + d1, 64), nn.Linear(64, classes), dropout

    def forward(self, f5, d1):
        h = torch.cat([m.mean((2, 3)) for m in (f5, d1) if m is not None], 1)
        return self.fc2(F.dropout(F.relu(self.fc1(h)), self.dropout, self.training))


class UNetEncoder(nn.Module):
    def __init__(self, w):
        super().__init__()
        for k in range(1, 6):
            self.add_module(f"conv{k}", Conv2(w[k - 1], w[k]))

    def forward(self, x):
        maps = []
        for k in range(1, 6):
            x = getattr(self, f"conv{k}")(x if k == 1 else F.max_pool2d(x, 2))
            maps.append(x)
        return maps


class UNetDecoder(nn.Module):
    def __init__(self, w):
        super().__init__()
        for k in range(4, 0, -1):
            self.add_module(f"up{k}", Up(w[k + 1], w[k]))
            self.add_module(f"conv{k}", Conv2(2 * w[k], w[k]))

    def forward(self, maps):
        d = maps[4]
        for k in range(4, 0, -1):
            d = getattr(self, f"conv{k}")(torch.cat([maps[k - 1], getattr(self, f"up{k}")(d)], 1))
        return d


class MTUNetClassifier(nn.Module):
    def __init__(self, features, classes, dropout):
        super().__init__()
        self.fc1, self.fc2, self.dropout = nn.Linear(features, 64), nn.Linear(64, classes), dropout

    def forward(self, bottleneck, last):
        h = self.fc1(torch.cat([bottleneck.mean((2, 3)), last.mean((2, 3))], 1))
        return self.fc2(F.relu(F.dropout(h, self.dropout, self.training)))


class MTUNet(nn.Module):
    def __init__(self, width=1.0, channels=1, classes=3, dropout=0.25):
        super().__init__()
        w = [channels] + [int(c * width) for c in (64, 128, 256, 512, 1024)]
        self.encoder, self.decoder, self.head = UNetEncoder(w), UNetDecoder(w), Head(width)
        self.classifier = MTUNetClassifier(w[5] + w[1], classes, dropout)

    def forward(self, x):
        maps = self.encoder(x)
        d1 = self.decoder(maps)
        return self.classifier(maps[4], d1), self.head(d1)


class Weighting(nn.Module):
    """CE / s^2 + ln(s + 1) + KL / 2 + ln 2 with s = exp(a)"""

    def __init__(self):
        super().__init__()
        self.a = nn.Parameter(torch.zeros(1))

    def forward(self, ce, kl):
        s = self.a.exp()
        return (ce / s ** 2 + torch.log(s + 1) + kl / 2 + torch.log(torch.full_like(s, 2))).sum()


def saliency_kl(logits, g):
    """mean over the batch of sum g (ln g - ln softmax(logits)), softmax over all pixels"""
    q, g = F.log_softmax(logits.flatten(1), 1), g.flatten(1)
    return (torch.xlogy(g, g) - g * q).sum(1).mean()


def batch_triplet(z, label, margin=1.0):
    """all (anchor, positive of its class, negative of another) of the batch; |v| = sqrt(sum (v + 1e-6)^2)"""
    d = (z[:, None] - z[None] + 1e-6).square().sum(2).sqrt()
    same = label[:, None] == label[None]
    apart = ~torch.eye(len(label), dtype=torch.bool)
    valid = (same & apart)[:, :, None] & (~same)[:, None, :]
    loss = (margin + d[:, :, None] - d[:, None, :]).clamp_min(0)
    return loss[valid].mean() if valid.any() else (z * 0).sum()


def width_triplet(f4, label, margin=1.0):
    """every image once with the next of its class and the next of another; distances along the width alone"""
    n, loss = len(label), 0
    for a in range(n):
        others = [(a + k) % n for k in range(1, n)]
        same = [k for k in others if label[k] == label[a]]
        apart = [k for k in others if label[k] != label[a]]
        if same and apart:
            d = [(f4[a] - f4[k] + 1e-6).square().sum(-1).sqrt() for k in (same[0], apart[0])]
            loss = loss + (margin + d[0] - d[1]).clamp_min(0).mean()
    return loss


class Block(nn.Module):
    """ResNet: basic (expansion 1) or bottleneck (4)"""

    def __init__(self, i, width, stride, expansion):
        super().__init__()
        o, kernels = width * expansion, (3, 3) if expansion == 1 else (1, 3, 1)
        self.count, widths = len(kernels), [i] + [width] * (len(kernels) - 1) + [o]
        for k, size in enumerate(kernels):
            step = stride if size == 3 and k < 2 and (expansion == 4 or k == 0) else 1
            self.add_module(f"conv{k + 1}", nn.Conv2d(widths[k], widths[k + 1], size, step, size // 2, bias=False))
            self.add_module(f"bn{k + 1}", nn.BatchNorm2d(widths[k + 1]))
        self.downsample = None
        if i != o or stride != 1:
            self.downsample = nn.Sequential(nn.Conv2d(i, o, 1, stride, bias=False), nn.BatchNorm2d(o))

    def forward(self, x):
        y = x
        for k in range(1, self.count + 1):
            y = getattr(self, f"bn{k}")(getattr(self, f"conv{k}")(y))
            if k < self.count:
                y = F.relu(y)
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, layers, expansion, classes=1000, width=64):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width)
        i = width
        for k, count in enumerate(layers, 1):
            blocks = []
            for l in range(count):
                blocks.append(Block(i, width, 2 if k > 1 and l == 0 else 1, expansion))
                i = width * expansion
            self.add_module(f"layer{k}", nn.Sequential(*blocks))
            width *= 2
        self.fc = nn.Linear(i, classes)

    def taps(self, x):
        maps = [F.relu(self.bn1(self.conv1(x)))]
        x = F.max_pool2d(maps[0], 3, 2, 1)
        for k in range(1, 5):
            x = getattr(self, f"layer{k}")(x)
            maps.append(x)
        return maps

    def forward(self, x):
        return self.fc(self.taps(x)[-1].mean((2, 3)))


def resnet(kind, **options):
    layers, expansion = {18: ((2, 2, 2, 2), 1), 34: ((3, 4, 6, 3), 1), 50: ((3, 4, 6, 3), 4), 101: ((3, 4, 23, 3), 4)}[kind]
    return ResNet(layers, expansion, **options)


class SRBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv1, self.bn1, self.prelu = nn.Conv2d(c, c, 3, padding=1), nn.BatchNorm2d(c), nn.PReLU()
        self.conv2, self.bn2 = nn.Conv2d(c, c, 3, padding=1), nn.BatchNorm2d(c)

    def forward(self, x):
        return self.bn2(self.conv2(self.prelu(self.bn1(self.conv1(x))))) + x


class SRUp(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv, self.prelu = nn.Conv2d(c, 4 * c, 3, padding=1), nn.PReLU()

    def forward(self, x):
        return self.prelu(F.pixel_shuffle(self.conv(x), 2))


class SRResNet(nn.Module):
    def __init__(self, upscale=1, c=64, blocks=5):
        super().__init__()
        self.last = blocks + 3
        self.block1 = nn.Sequential(nn.Conv2d(3, c, 9, padding=4), nn.PReLU())
        for k in range(2, blocks + 2):
            self.add_module(f"block{k}", SRBlock(c))
        self.add_module(f"block{blocks + 2}", nn.Sequential(nn.Conv2d(c, c, 3, padding=1), nn.PReLU()))
        ups = [SRUp(c) for _ in range({1: 0, 2: 1, 4: 2}[upscale])]
        self.add_module(f"block{blocks + 3}", nn.Sequential(*ups, nn.Conv2d(c, 3, 9, padding=4)))

    def forward(self, x):
        first = y = self.block1(x)
        for k in range(2, self.last):
            y = getattr(self, f"block{k}")(y)
        return (torch.tanh(getattr(self, f"block{self.last}")(first + y)) + 1) / 2


class ResNetUNet(nn.Module):
    """taps of a ResNet; five steps: twice the size, tap in front (none at the last), two convolutions"""

    def __init__(self, encoder, classes=1, out_range=False):
        super().__init__()
        self.encoder, self.out_range = encoder, out_range
        del encoder.fc
        blocks = [getattr(encoder, f"layer{k}")[-1] for k in range(1, 5)]
        first = encoder.conv1.out_channels
        widths = [first] + [getattr(block, f"bn{block.count}").num_features for block in blocks]
        i = widths[4]
        for k, o in enumerate([max(1, c * first // 64) for c in (256, 128, 64, 32, 16)], 1):
            self.add_module(f"step{k}", Conv2(i + (widths[4 - k] if k < 5 else 0), o))
            i = o
        self.last = nn.Conv2d(i, classes, 3, padding=1)

    def forward(self, x):
        maps = self.encoder.taps(x)
        d = maps[4]
        for k in range(1, 6):
            d = F.interpolate(d, scale_factor=2, mode="nearest")
            d = getattr(self, f"step{k}")(torch.cat([maps[4 - k], d], 1) if k < 5 else d)
        y = self.last(d)
        return (torch.tanh(y) + 1) / 2 if self.out_range else y
