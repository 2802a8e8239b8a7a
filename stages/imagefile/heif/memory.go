package heif

import "golang.org/x/sys/unix"

// memory is that of one instance. It is not the garbage collector's, which would keep that of several files before it gives
// one back; what is not used yet takes none.
type memory struct{ pages []byte }

// Reallocate makes it so long; nil: there is no memory.
func (m *memory) Reallocate(size uint64) []byte {
	if size <= uint64(len(m.pages)) {
		return m.pages[:size]
	}
	larger, err := unix.Mmap(-1, 0, int(max(size, min(2*uint64(len(m.pages)), mostMemory))), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	copy(larger, m.pages)
	m.Free()
	m.pages = larger
	return larger[:size]
}

func (m *memory) Free() {
	if m.pages != nil {
		unix.Munmap(m.pages) // what was mapped can be unmapped
		m.pages = nil
	}
}
