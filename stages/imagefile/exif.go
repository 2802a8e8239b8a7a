package imagefile

import "encoding/binary"

// turn says where the pixel shown at (x, y) is stored: swap x and y if transpose, then count from the right if flipX,
// from the bottom if flipY. The zero value shows a picture as it is stored.
type turn struct{ transpose, flipX, flipY bool }

func (t turn) none() bool { return t == (turn{}) }

// turnOf is the turn that an EXIF orientation asks for; none if it is not valid.
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

// findChunk looks for a chunk of a PNG or RIFF file. Its name and the length of its content stand before the content:
// the length at lengthAt (0 or 4), the name at the other; tail bytes follow it (PNG's checksum). RIFF pads to an even length.
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

// exifOrientation reads the orientation tag of the first directory of a TIFF structure; 0 if there is none.
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
