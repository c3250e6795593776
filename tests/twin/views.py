"""Random views made a second time, by other programs: torch resizes, scipy turns and blurs, colorsys turns hues.

    python views.py > ../golden/views.json
"""
import colorsys, json, math, sys

import numpy as np
import torch
from scipy import ndimage


def picture(c, h, w):
    """u8 c x h x w: smooth, with edges"""
    k, y, x = np.meshgrid(np.arange(c), np.arange(h), np.arange(w), indexing="ij")
    v = 127 + 90 * np.sin(0.9 * x + 0.5 * k) * np.cos(0.6 * y - k) + 60 * ((x + 2 * y + 3 * k) % 7 == 0) - 30 * k
    return np.clip(v, 0, 255).astype(np.uint8)


def luma(v):
    return v if len(v) == 1 else (0.299 * v[0] + 0.587 * v[1] + 0.114 * v[2])[None]


def jitter(v, what, f):
    if what == "hue":
        if len(v) == 1:
            return v
        flat = [colorsys.rgb_to_hsv(*p) for p in v.reshape(3, -1).T]
        turned = [colorsys.hsv_to_rgb((h + f) % 1.0, s, b) for h, s, b in flat]
        return np.array(turned).T.reshape(v.shape)
    if what == "saturation" and len(v) == 1:
        return v
    other = {"brightness": 0.0, "contrast": luma(v).mean(), "saturation": luma(v)}[what]
    return np.clip(f * v + (1 - f) * other, 0, 1)


def turned(v, angle):
    h, w = v.shape[1:]
    y, x = np.meshgrid(np.arange(h) - (h - 1) / 2, np.arange(w) - (w - 1) / 2, indexing="ij")
    c, s = math.cos(angle), math.sin(angle)
    at = [s * x + c * y + (h - 1) / 2, c * x - s * y + (w - 1) / 2]
    return np.stack([ndimage.map_coordinates(p, at, order=1, mode="nearest") for p in v])


def blurred(v, sigma, kernel):
    r = kernel // 2
    taps = np.exp(-0.5 * (np.arange(-r, r + 1) / sigma) ** 2)
    taps /= taps.sum()
    for axis in (1, 2):
        v = ndimage.correlate1d(v, taps, axis=axis, mode="mirror")
    return v


def apply(image, d, size, channels):
    part = image[:, d["y"] - 1:d["y"] - 1 + d["height"], d["x"] - 1:d["x"] - 1 + d["width"]].astype(np.float64) / 255
    v = torch.nn.functional.interpolate(torch.from_numpy(part)[None], size=size, mode="bicubic", antialias=True)
    v = np.clip(v[0].numpy(), 0, 1)
    if d["flip"]:
        v = v[:, :, ::-1]
    if d["angle"]:
        v = turned(v, d["angle"])
    for what in d["order"]:
        v = jitter(v, what, d[what])
    if d["grayscale"]:
        v = np.repeat(luma(v), len(v), 0)
    if d["sigma"]:
        v = blurred(v, d["sigma"], d["kernel"])
    if d["solarize"]:
        v = np.where(v >= d["threshold"], 1 - v, v)
    return np.repeat(v, channels, 0) if len(v) < channels else v if channels == 3 else v.mean(0, keepdims=True)


def draw(**over):
    plain = dict(x=1, y=1, width=21, height=17, flip=False, angle=0, order=[], brightness=1, contrast=1, saturation=1,
                 hue=0, grayscale=False, sigma=0, kernel=23, solarize=False, threshold=128 / 255)
    return {**plain, **over}


CASES = [ # channels of the picture and of the view, size, draw
    (1, 1, (16, 12), draw(x=3, y=2, width=15, height=11)),
    (3, 3, (7, 9), draw(flip=True)),
    (1, 3, (24, 24), draw(x=5, width=9, height=17, flip=True, angle=0.3)),
    (3, 3, (12, 12), draw(order=["brightness", "contrast", "saturation", "hue"], brightness=1.3, contrast=0.7,
                          saturation=1.4, hue=0.07)),
    (3, 3, (12, 12), draw(order=["hue", "saturation", "contrast", "brightness"], brightness=0.65, contrast=1.35,
                          saturation=0.5, hue=-0.09)),
    (1, 1, (12, 12), draw(order=["hue", "contrast", "brightness", "saturation"], brightness=1.2, contrast=1.4,
                          saturation=0.5, hue=0.1)),
    (3, 1, (12, 12), draw(grayscale=True, angle=-0.7)),
    (1, 1, (16, 16), draw(sigma=1.7)),
    (3, 3, (8, 30), draw(sigma=0.4, kernel=5, solarize=True)),
]


def main():
    out = []
    for c, channels, size, d in CASES:
        image = picture(c, 17, 21)
        out.append(dict(image=c, channels=channels, size=size, draw=d,
                        view=np.round(apply(image, d, size, channels).reshape(-1), 6).tolist()))
    images = {c: picture(c, 17, 21).tolist() for c in (1, 3)}
    json.dump({"made_by": "tests/twin/views.py", "images": images, "cases": out}, sys.stdout, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()
