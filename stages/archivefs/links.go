package archivefs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// maxHops is the number of symbolic links followed to resolve one path, as in Linux.
const maxHops = 40

// maxLinked is the largest number of entries that links may add to an archive with the given number of its own: folders
// that link to each other could add entries without end.
func maxLinked(entries int) int { return 100*entries + 10_000 }

// addLink adds a symbolic link. Its target is resolved once all entries are known.
func (a *Archive) addLink(name, target string) error {
	i, err := a.add(name, Entry{})
	if i >= 0 {
		a.links[i] = target
	}
	return err
}

// resolver finds the targets of links.
type resolver struct {
	*Archive
	folders map[string]bool // every folder, including those without an entry of their own
	sorted  []int32         // indices of entries sorted by name, so that those of a folder are adjacent; nil until a link leads to a folder
	count   int             // number of entries before any was added for a link
	left    map[int]bool    // indices of links to a folder that contains them
}

// visit is a folder being expanded: top is its path without links, down the folder in it that holds the next link.
type visit struct{ top, down string }

// resolveLinks makes each link an entry like the one that it leads to.
func (a *Archive) resolveLinks(ctx context.Context) error {
	if len(a.links) == 0 {
		return nil
	}
	r := &resolver{Archive: a, folders: map[string]bool{".": true}, count: len(a.Entries), left: map[int]bool{}}
	for _, e := range a.Entries {
		if e.Dir {
			r.addFolder(e.Name)
		}
		r.addFolder(path.Dir(e.Name))
	}
	order := make([]int, 0, len(a.links))
	for i := range a.links {
		order = append(order, i)
	}
	slices.Sort(order)
	for _, i := range order {
		name := a.Entries[i].Name
		if err := r.resolve(ctx, name, i, []visit{{".", path.Dir(name)}}); err != nil {
			return err
		}
	}
	r.leaveOut()
	return nil
}

// leaveOut removes the entries in r.left.
func (r *resolver) leaveOut() {
	if len(r.left) == 0 {
		return
	}
	unreadable, kept := map[int]error{}, 0
	for i, e := range r.Entries {
		if r.left[i] {
			continue
		}
		if reason := r.unreadable[i]; reason != nil {
			unreadable[kept] = reason
		}
		r.Entries[kept] = e
		kept++
	}
	r.Entries, r.unreadable = r.Entries[:kept], unreadable
}

func (r *resolver) addFolder(name string) {
	for ; !r.folders[name]; name = path.Dir(name) {
		r.folders[name] = true
	}
}

// resolve gives name the entry that link i leads to. visited are the folders expanded on the way there.
func (r *resolver) resolve(ctx context.Context, name string, i int, visited []visit) error {
	link, target := r.Entries[i], r.links[i]
	hops := 0
	real, err := r.walk(path.Dir(link.Name), target, &hops)
	if err != nil {
		return r.dangle(name, fmt.Errorf("a link to %q, which %w", target, err))
	}
	if to, ok := r.seen[real]; ok && !r.Entries[to].Dir {
		at, err := r.put(name, r.Entries[to])
		if at >= 0 && r.unreadable[to] != nil {
			r.unreadable[at] = r.unreadable[to]
		}
		return err
	}
	if !r.folders[real] {
		return r.dangle(name, fmt.Errorf("a link to %q, which is not in the archive", target))
	}
	for _, v := range visited {
		if within(real, v.top) && within(v.down, real) {
			r.Circular = append(r.Circular, name)
			if at, ok := r.seen[name]; ok {
				r.left[at] = true
			}
			return nil
		}
	}
	if _, err := r.put(name, Entry{Dir: true}); err != nil {
		return err
	}
	return r.expand(ctx, name, real, visited)
}

// expand adds the entries of the folder real again below name, the path of a link to it.
func (r *resolver) expand(ctx context.Context, name, real string, visited []visit) error {
	for _, i := range r.below(real) {
		if err := ctx.Err(); err != nil {
			return err
		}
		e := r.Entries[i]
		inner := path.Join(name, e.Name[len(real):])
		if real == "." {
			inner = path.Join(name, e.Name)
		}
		if r.known(inner) {
			continue
		}
		var err error
		if _, isLink := r.links[int(i)]; isLink {
			err = r.resolve(ctx, inner, int(i), append(slices.Clip(visited), visit{real, path.Dir(e.Name)}))
		} else {
			var at int
			if at, err = r.put(inner, e); at >= 0 && r.unreadable[int(i)] != nil {
				r.unreadable[at] = r.unreadable[int(i)]
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// known reports whether the archive itself has an entry of this name.
func (r *resolver) known(name string) bool {
	_, ok := r.seen[name]
	return ok
}

// put sets the entry of a name: it replaces the link of that name, or is appended.
func (r *resolver) put(name string, e Entry) (int, error) {
	if most := maxLinked(r.count); len(r.Entries)-r.count >= most {
		return -1, fmt.Errorf("its links stand for more than %d files", most)
	}
	e.Name = name
	if i, ok := r.seen[name]; ok { // links stays as it is: other links may lead through this one
		r.Entries[i] = e
		return i, nil
	}
	return r.add(name, e)
}

// dangle makes the entry of a name unreadable, because its link has no target in the archive.
func (r *resolver) dangle(name string, reason error) error {
	i, err := r.put(name, Entry{})
	if i >= 0 {
		r.unreadable[i] = reason
		r.Dangling = append(r.Dangling, name)
	}
	return err
}

// walk resolves target, a path relative to the folder from, through links to a name that is not a link.
func (r *resolver) walk(from, target string, hops *int) (string, error) {
	if path.IsAbs(target) {
		return "", errors.New("leads out of the archive")
	}
	for part := range strings.SplitSeq(target, "/") {
		switch part {
		case "", ".":
			continue
		case "..":
			if from == "." {
				return "", errors.New("leads out of the archive")
			}
			from = path.Dir(from)
			continue
		}
		next := path.Join(from, part)
		if i, ok := r.seen[next]; ok {
			if target, isLink := r.links[i]; isLink {
				if *hops++; *hops > maxHops {
					return "", errors.New("leads to further links without end")
				}
				var err error
				if next, err = r.walk(from, target, hops); err != nil {
					return "", err
				}
			}
		}
		from = next
	}
	return from, nil
}

// below returns the indices of the archive's own entries in a folder and its subfolders, by name.
func (r *resolver) below(folder string) []int32 {
	if r.sorted == nil {
		r.sorted = make([]int32, r.count)
		for i := range r.sorted {
			r.sorted[i] = int32(i)
		}
		slices.SortFunc(r.sorted, func(a, b int32) int { return cmp.Compare(r.Entries[a].Name, r.Entries[b].Name) })
	}
	if folder == "." {
		return r.sorted
	}
	first, _ := slices.BinarySearchFunc(r.sorted, folder+"/", func(i int32, name string) int { return cmp.Compare(r.Entries[i].Name, name) })
	last, _ := slices.BinarySearchFunc(r.sorted, folder+"0", func(i int32, name string) int { return cmp.Compare(r.Entries[i].Name, name) }) // 0 follows /
	return r.sorted[first:last]
}

// within reports whether name is the folder or lies in it.
func within(name, folder string) bool {
	return folder == "." || name == folder || strings.HasPrefix(name, folder+"/")
}
