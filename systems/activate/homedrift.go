package activate

import (
	"fmt"

	"sysc/store/tree"
	"sysc/systems"
	"sysc/systems/generation"
)

// home compares a home directory with what a generation put there, and the files that
// its links lead to with what they were.
func (d *drifter) home(dir, name string, m *systems.Manifest, r *generation.Record) error {
	h, err := openHome(&Request{Root: dir, Home: name})
	if err != nil {
		return err
	}
	defer h.dir.Close()
	if err := d.dir("~", generation.CheckoutsDir+"/"+r.Places[homeTop], m.Root.Tree); err != nil {
		return err
	}
	d.in = name
	for _, e := range r.HomeEntries() {
		have, err := h.look(e.Path)
		if err != nil {
			return fmt.Errorf("read %s: %w", systems.Home.Shown(e.Path), err)
		}
		if !h.isEntry(have, e) {
			d.homeEntry(e, have)
			continue
		}
		if err := d.homeMode(h, e); err != nil {
			return err
		}
	}
	return nil
}

// homeEntry notes that something else stands in the place of an entry.
func (d *drifter) homeEntry(e generation.HomeEntry, have declaredThing) {
	shown, place := systems.Home.Shown(e.Path), at(e.Path)
	switch {
	case have.kind == 0:
		d.add(shown, place, systems.Remove)
	case have.kind == tree.File && e.Kind == generation.HomeFile && have.digest == e.Digest:
		d.add(shown, place, systems.Change, "a link → a file with the same contents")
	case have.kind == tree.File && e.Kind == generation.HomeFile:
		drift := d.add(shown, place, systems.Change)
		drift.Old, drift.New = e.Digest, have.digest
	default:
		was := map[string]tree.Type{generation.HomeFile: tree.File, generation.HomeLink: tree.Link, generation.HomeDirectory: tree.Dir}[e.Kind]
		d.add(shown, place, systems.Change, kindName(was)+" → "+kindName(have.kind)+leads(have))
	}
}

// homeMode compares the mode of a declared directory.
func (d *drifter) homeMode(h *home, e generation.HomeEntry) error {
	if e.Kind != generation.HomeDirectory {
		return nil
	}
	info, err := h.dir.Root().Lstat(at(e.Path))
	if err != nil {
		return fmt.Errorf("read %s: %w", systems.Home.Shown(e.Path), err)
	}
	if mode := uint32(info.Mode().Perm()); mode != e.Mode&0o777 {
		d.add(systems.Home.Shown(e.Path), at(e.Path), systems.Change, fmt.Sprintf("mode %04o → %04o", e.Mode, mode))
	}
	return nil
}
