package tensorboard

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// record frames a message as a TFRecord: its length, the checksum of the length, the message and its checksum.
func record(message []byte) []byte {
	length := binary.LittleEndian.AppendUint64(nil, uint64(len(message)))
	out := binary.LittleEndian.AppendUint32(length, checksum(length))
	out = append(out, message...)
	return binary.LittleEndian.AppendUint32(out, checksum(message))
}

// checksum is a CRC-32C that is rotated and shifted, as TFRecords hold it, see tensorflow/tsl/lib/hash/crc32c.h.
func checksum(data []byte) uint32 {
	crc := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
	return (crc>>15 | crc<<17) + 0xa282ead8
}

// The numbers of fields are those of event.proto and summary.proto. All appended values are written, zeroes too.

func appendDouble(b []byte, field protowire.Number, v float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, field, protowire.Fixed64Type), math.Float64bits(v))
}

func appendInt(b []byte, field protowire.Number, v int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(v))
}

func appendBytes(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}

func event(at time.Time) []byte {
	return appendDouble(nil, 1, float64(at.UnixMicro())/1e6)
}

// version is the first event of a file.
func version(at time.Time) []byte { return appendBytes(event(at), 3, []byte("brain.Event:2")) }

// summary is an event with one value at a step.
func summary(at time.Time, step int64, value []byte) []byte {
	return appendBytes(appendInt(event(at), 2, step), 5, appendBytes(nil, 1, value))
}

func scalar(tag string, v float64) []byte {
	value := protowire.AppendTag(appendBytes(nil, 1, []byte(tag)), 2, protowire.Fixed32Type)
	return protowire.AppendFixed32(value, math.Float32bits(float32(v)))
}

// picture is an encoded PNG or JPEG, with a description that is shown beside it: a tensor of strings, which are the width,
// the height and the file, as TensorFlow 2 writes it.
func picture(tag, description string, width, height int, file []byte) []byte {
	const typeString, blobs = 7, 3 // DT_STRING, DATA_CLASS_BLOB_SEQUENCE
	parts := [][]byte{strconv.AppendInt(nil, int64(width), 10), strconv.AppendInt(nil, int64(height), 10), file}
	shape := appendBytes(nil, 2, appendInt(nil, 1, int64(len(parts))))
	tensor := appendBytes(appendInt(nil, 1, typeString), 2, shape)
	for _, part := range parts {
		tensor = appendBytes(tensor, 8, part)
	}
	metadata := appendBytes(nil, 1, appendBytes(nil, 1, []byte("images")))
	metadata = appendInt(appendBytes(metadata, 3, []byte(description)), 4, blobs)
	return appendBytes(appendBytes(appendBytes(nil, 1, []byte(tag)), 8, tensor), 9, metadata)
}

// histogram has buckets of one width between min and max.
func histogram(tag string, values map[string]float64, counts []int64) []byte {
	var limits, numbers []byte
	low, high := values["min"], values["max"]
	for i, n := range counts {
		limit := low + (high-low)*float64(i+1)/float64(len(counts))
		limits = protowire.AppendFixed64(limits, math.Float64bits(limit))
		numbers = protowire.AppendFixed64(numbers, math.Float64bits(float64(n)))
	}
	histo := appendDouble(appendDouble(appendDouble(nil, 1, low), 2, high), 3, values["count"])
	histo = appendDouble(appendDouble(histo, 4, values["sum"]), 5, values["sum_squares"])
	histo = appendBytes(appendBytes(histo, 6, limits), 7, numbers)
	return appendBytes(appendBytes(nil, 1, []byte(tag)), 5, histo)
}
