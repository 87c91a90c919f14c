"""Reads TensorBoard event files by the published description of their bytes, with nothing but Python's own modules; prints them as JSON.

TFRecord: uint64 length, uint32 masked CRC-32C of it, data, uint32 masked CRC-32C of that, little-endian. Protobuf: varint keys of field * 8 + wire type.
The checksum is computed bit by bit, so that it shares no table with what it judges.
"""
import json
import struct
import sys


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def masked(data):
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def fields(data):
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        field, wire = key >> 3, key & 7
        if wire == 0:
            value, at = varint(data, at)
        elif wire == 1:
            value, at = struct.unpack_from("<d", data, at)[0], at + 8
        elif wire == 5:
            value, at = struct.unpack_from("<f", data, at)[0], at + 4
        elif wire == 2:
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
            assert len(value) == length, "cut off"
        else:
            raise ValueError(f"wire type {wire}")
        yield field, value


def records(data):
    at = 0
    while at < len(data):
        length, check = struct.unpack_from("<QI", data, at)
        assert masked(data[at:at + 8]) == check, "checksum of a length"
        body = data[at + 12:at + 12 + length]
        assert len(body) == length, "cut off"
        assert masked(body) == struct.unpack_from("<I", data, at + 12 + length)[0], "checksum of a record"
        yield body
        at += length + 16


def number(value):
    return value if value == value and abs(value) != float("inf") else str(value)


def event(body):
    said = {"step": 0, "values": {}}
    for field, value in fields(body):
        if field == 1:
            said["wall"] = value
        elif field == 2:
            said["step"] = value
        elif field == 3:
            said["version"] = value.decode()
        elif field == 5:
            for inner, one in fields(value):
                assert inner == 1, f"field {inner} of a summary"
                parts = dict(fields(one))
                said["values"][parts[1].decode()] = number(parts[2])
        else:
            raise ValueError(f"field {field} of an event")
    return said


with open(sys.argv[1], "rb") as file:
    print(json.dumps([event(body) for body in records(file.read())]))
