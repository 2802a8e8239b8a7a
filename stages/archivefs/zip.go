package archivefs

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// Codes of the operating systems that store Unix file modes in a zip.
const (
	systemUnix  = 3
	systemMacOS = 19
)

// maxLinkTarget is the longest path that a symbolic link can hold.
const maxLinkTarget = 4096

// listZip lists a zip.
func (a *Archive) listZip(ctx context.Context) error {
	a.zip = true
	info, err := a.file.Stat()
	if err != nil {
		return err
	}
	d := &disk{file: a.file}
	backslashes, count := false, 0
	read := func(each func(zipMember) error) error {
		return d.or(readDirectory(d, info.Size(), func(m zipMember) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			return each(m)
		}))
	}
	err = read(func(m zipMember) error {
		backslashes = backslashes || strings.Contains(m.name, `\`) && !strings.Contains(m.name, "/")
		count++
		return nil
	})
	if err != nil {
		return err
	}
	count = min(count, MaxEntries)
	a.Entries, a.seen = make([]Entry, 0, count), make(map[string]int, count)
	return read(func(m zipMember) error {
		// The format separates folders by / only. A backslash is part of a name only where the zip was made on Unix and other
		// names have a /.
		if backslashes || !m.unix() {
			m.name = strings.ReplaceAll(m.name, `\`, "/")
		}
		if name := m.utf8(); name != m.name {
			m.name = name
			a.Recoded = append(a.Recoded, name)
		}
		return a.addMember(m)
	})
}

func (m zipMember) unix() bool { return m.system == systemUnix || m.system == systemMacOS }

// utf8Name is the flag bit of a zip member whose name is UTF-8.
const utf8Name = 0x800

// utf8 returns the name in UTF-8. A name without the flag is in DOS's code page 437, unless it is valid UTF-8: many writers
// use UTF-8 without setting the flag.
func (m zipMember) utf8() string {
	if m.flags&utf8Name != 0 || utf8.ValidString(m.name) {
		return m.name
	}
	name, err := charmap.CodePage437.NewDecoder().String(m.name)
	if err != nil {
		return m.name
	}
	return name
}

func (a *Archive) addMember(m zipMember) error {
	const (
		fileType, regular, folder, symlink = 0xf000, 0x8000, 0x4000, 0xa000 // Unix modes, above the 16 bits of DOS attributes
		dosFolder                          = 0x10
	)
	e := Entry{
		Size: int64(min(m.size, math.MaxInt64)), at: int64(min(m.at, math.MaxInt64)), packed: int64(min(m.packed, math.MaxInt64)),
		crc: m.crc, method: m.method,
	}
	if m.flags&1 != 0 {
		e.flags |= encrypted
	}
	if m.flags&2 != 0 {
		e.flags |= endMarked
	}
	kind := uint32(regular)
	if m.unix() && m.attributes>>16&fileType != 0 {
		kind = m.attributes >> 16 & fileType
	} else if !m.unix() && m.attributes&dosFolder != 0 {
		kind = folder
	}
	switch {
	case kind == folder || strings.HasSuffix(m.name, "/"):
		_, err := a.add(m.name, Entry{Dir: true})
		return err
	case kind == symlink:
		return a.addZipLink(m.name, e)
	case kind != regular:
		a.Skipped = append(a.Skipped, m.name)
		return nil
	}
	_, err := a.add(m.name, e)
	return err
}

// addZipLink adds a symbolic link, whose content is its target.
func (a *Archive) addZipLink(name string, e Entry) error {
	if e.Size > maxLinkTarget {
		return a.addUnreadable(name, fmt.Errorf("a link of %d bytes: more than %d are refused", e.Size, maxLinkTarget))
	}
	err := e.refusedInZip()
	target := make([]byte, e.Size)
	if err == nil {
		err = a.content(e, target, true)
	}
	if disk := (*DiskError)(nil); errors.As(err, &disk) {
		return err
	}
	if err != nil {
		return a.addUnreadable(name, fmt.Errorf("a link that cannot be read: %w", err))
	}
	return a.addLink(name, string(target))
}
