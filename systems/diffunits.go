package systems

import (
	"path"
	"strings"
)

// units compares units, and says what a running machine does about each:
//
//   - a unit that is new and enabled, or becomes enabled, is started;
//   - one that goes, or is masked, is stopped;
//   - one whose text changed, or whose text names a declared file that changed,
//     is restarted, unless it is of a kind that cannot be (a target or slice);
//   - one that is only no longer enabled keeps running.
func (d *differ) units(old, new *Manifest, files []FileChange) []UnitChange {
	var out []UnitChange
	key := func(u DeclaredUnit) string { return u.Name }
	merge(old.Units, new.Units, key, func(o, n *DeclaredUnit) {
		var c UnitChange
		switch {
		case o == nil:
			c = UnitChange{EntryChange: EntryChange{Action: Add, Name: n.Name, Position: n.Position, Details: unitTraits(*n).values()}, Do: Nothing}
			switch {
			case n.Enable:
				c.Do = Start
			case n.Mask:
				c.Do = Stop
			}
			c.Diff, _ = d.text(zeroDigest, n.Digest)
		case n == nil:
			c = UnitChange{EntryChange: EntryChange{Action: Remove, Name: o.Name}, Do: Stop}
		default:
			c = d.changedUnit(*o, *n, files)
			if len(c.Details) == 0 {
				return
			}
		}
		out = append(out, c)
	})
	return out
}

// changedUnit compares two versions of a unit. Without Details nothing changed.
func (d *differ) changedUnit(o, n DeclaredUnit, files []FileChange) UnitChange {
	c := UnitChange{EntryChange: EntryChange{Action: Change, Name: n.Name, Position: n.Position, Details: changes(unitTraits(o), unitTraits(n))}, Do: Nothing}
	touched := false
	switch {
	case n.Pending:
		c.Details = append(c.Details, "text known after build")
		touched = true
	case o.Digest != n.Digest:
		c.Details = append(c.Details, "text changed")
		c.Diff, _ = d.text(o.Digest, n.Digest)
		touched = true
	}
	for _, name := range d.namedFiles(n, files) {
		c.Details = append(c.Details, name+" changed")
		touched = true
	}
	switch {
	case n.Mask && !o.Mask:
		c.Do = Stop
	case n.Enable && !o.Enable:
		c.Do = Start
	case touched && n.Enable && canRestart(n.Name):
		c.Do = Restart
	}
	return c
}

// namedFiles returns the changed files whose paths a unit's text names.
func (d *differ) namedFiles(u DeclaredUnit, files []FileChange) []string {
	if u.Digest.IsZero() || d.Contents == nil || len(files) == 0 {
		return nil
	}
	data, ok := d.Contents(u.Digest)
	if !ok {
		return nil
	}
	var names []string
	for _, f := range files {
		if d.names(string(data), f.Name) {
			names = append(names, f.Name)
		}
	}
	return names
}

// names reports whether a unit's text names a file, which in a home it does with %h,
// the home directory (systemd.unit(5)).
func (d *differ) names(text, file string) bool {
	if d.kind == Home {
		return mentionsPath(text, "%h"+strings.TrimPrefix(file, "~"))
	}
	return mentionsPath(text, file)
}

// mentionsPath reports whether text names the file p, and not only one whose
// path begins or ends like it.
func mentionsPath(text, p string) bool {
	for rest := text; ; {
		at := strings.Index(rest, p)
		if at < 0 {
			return false
		}
		before, after := byte(0), byte(0)
		if at > 0 {
			before = rest[at-1]
		}
		if end := at + len(p); end < len(rest) {
			after = rest[end]
		}
		if !pathByte(before) && !pathByte(after) {
			return true
		}
		rest = rest[at+1:]
	}
}

func pathByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("/._-", c) >= 0 && c != 0
}

func canRestart(unit string) bool {
	switch path.Ext(unit) {
	case ".target", ".slice", ".scope", ".device":
		return false
	}
	return true
}

func unitTraits(u DeclaredUnit) traits {
	t := traits{{"enabled", ""}, {"wanted by", strings.Join(u.WantedBy, ", ")}, {"masked", ""}}
	if u.Enable {
		t[0].value = "yes"
	}
	if u.Mask {
		t[2].value = "yes"
	}
	return t
}
