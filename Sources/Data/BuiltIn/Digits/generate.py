#!/usr/bin/env python3
"""Writes DigitsData.swift from scikit-learn's copy of the UCI digits.

    python3 generate.py sklearn/datasets/data/digits.csv.gz > DigitsData.swift

The packed bytes are the levels 0-16 pixel by pixel (all images' pixel 0, then all images' pixel 1, ...: half the
pixels barely vary, so that deflate does best in this order), then the labels; zlib; base64.
"""
import base64
import gzip
import sys
import zlib

rows = [[int(float(cell)) for cell in line.split(",")] for line in gzip.open(sys.argv[1], "rt")]
assert len(rows) == 1797 and all(len(row) == 65 and max(row[:64]) <= 16 for row in rows)
plain = bytes(row[column] for column in range(65) for row in rows)
packer = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_RLE)
text = base64.b64encode(packer.compress(plain) + packer.flush()).decode()

print("/// The UCI digits, packed by generate.py: base64 of zlib of levels (64 pixels, 1797 images), labels (1797).")
print("/// E. Alpaydin and C. Kaynak, 1998, CC BY 4.0; see ATTRIBUTION.md.")
print('let packedDigits: StaticString = """')
print("\n".join("  " + text[start:start + 118] for start in range(0, len(text), 118)))
print('  """')
