package imagefile

import "encoding/binary"

// turn maps a displayed pixel (x, y) to its stored position: swap x and y if transpose, then count from the right if flipX and
// from the bottom if flipY. The zero value is the identity.
type turn struct{ transpose, flipX, flipY bool }

func (t turn) none() bool { return t == (turn{}) }

// turnOf returns the turn for an EXIF orientation (1 to 8); the identity if it is invalid.
func turnOf(orientation int) turn {
	switch orientation {
	case 2:
		return turn{flipX: true}
	case 3:
		return turn{flipX: true, flipY: true}
	case 4:
		return turn{flipY: true}
	case 5:
		return turn{transpose: true}
	case 6:
		return turn{transpose: true, flipY: true}
	case 7:
		return turn{transpose: true, flipX: true, flipY: true}
	case 8:
		return turn{transpose: true, flipX: true}
	}
	return turn{}
}

// findChunk returns the content of a chunk of a PNG or RIFF file. A chunk begins with four bytes of length and four of name, where
// lengthAt (0 or 4) is the offset of the length. tail bytes follow the content (PNG's checksum). RIFF pads to an even length.
func findChunk(data []byte, name string, order binary.ByteOrder, lengthAt, tail int) []byte {
	for len(data) >= 8 {
		length := int64(order.Uint32(data[lengthAt:]))
		if length > int64(len(data)-8) {
			return nil
		}
		if string(data[4-lengthAt:][:4]) == name {
			return data[8 : 8+length]
		}
		next := 8 + length + int64(tail)
		if tail == 0 {
			next += length % 2
		}
		data = data[min(next, int64(len(data))):]
	}
	return nil
}

// exifOrientation returns the orientation tag in the first directory of a TIFF structure; 0 if there is none.
func exifOrientation(tiff []byte) int {
	const orientationTag, shortType, entrySize = 0x0112, 3, 12
	if len(tiff) < 8 {
		return 0
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 0
	}
	first := int64(order.Uint32(tiff[4:]))
	if first+2 > int64(len(tiff)) {
		return 0
	}
	entries := tiff[first+2:]
	for range order.Uint16(tiff[first:]) {
		if len(entries) < entrySize {
			return 0
		}
		if order.Uint16(entries) == orientationTag && order.Uint16(entries[2:]) == shortType {
			return int(order.Uint16(entries[8:]))
		}
		entries = entries[entrySize:]
	}
	return 0
}
