package systems

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"sysc/internal/lazyregexp"
	"sysc/store/tree"
)

// Where systemd finds units (systemd.unit(5)): those of the administrator, which
// are the declared ones here, and those that packages ship.
const (
	unitDir        = "/etc/systemd/system"
	packageUnitDir = "/usr/lib/systemd/system"
)

// unitName is a unit's name with its suffix, as in systemd.unit(5).
var unitName = lazyregexp.New(`^[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]*)?\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope)$`)

// checkUnit reports what is wrong with a unit by itself.
func checkUnit(u Unit) error {
	if len(u.Name) > 255 || !unitName().MatchString(u.Name) {
		return fmt.Errorf("%q is not a unit's name; it needs a suffix such as .service, .timer or .socket", u.Name)
	}
	if u.Mask && (u.Enable || u.Content != "") {
		return fmt.Errorf("a masked unit can have no content and cannot be enabled")
	}
	for _, w := range u.WantedBy {
		if !unitName().MatchString(w) {
			return fmt.Errorf("wanted by %q, which is not a unit's name; write multi-user.target", w)
		}
	}
	return nil
}

// unit places a unit's text and links. What the root had enabled under its name
// is undone first, so that the declaration alone says whether it starts.
func (d *declarer) unit(ctx context.Context, u Unit) error {
	this := u.declaration()
	if err := checkUnit(u); err != nil {
		return this.errorf("%v", err)
	}
	if err := d.disable(ctx, u.Name); err != nil {
		return err
	}
	switch {
	case u.Mask:
		return d.put(ctx, this, d.kind.unitDir()+"/"+u.Name, tree.Entry{Type: tree.Link, Mode: 0o777, Target: "/dev/null"})
	case u.Content != "":
		e, err := d.text(ctx, u.Content)
		if err != nil {
			return err
		}
		e.Mode = 0o644
		if err := d.put(ctx, this, d.kind.unitDir()+"/"+u.Name, e); err != nil {
			return err
		}
		return d.enable(ctx, this, u, unitDir+"/"+u.Name, u.Content)
	}
	if d.kind == Home {
		return this.errorf("it has no content, and no package ships it")
	}
	return d.enableShipped(ctx, this, u)
}

// enableShipped enables a unit whose text is a package's.
func (d *declarer) enableShipped(ctx context.Context, this declaration, u Unit) error {
	file := u.Name
	if at := strings.IndexByte(file, '@'); at >= 0 {
		file = file[:at+1] + path.Ext(file)
	}
	for _, dir := range []string{unitDir, packageUnitDir, "/lib/systemd/system"} {
		place, err := d.resolve(ctx, dir+"/"+file, true)
		if err != nil {
			return this.errorf("%v", err)
		}
		e, ok, err := d.builder.Get(ctx, place)
		if err != nil {
			return err
		}
		if !ok || e.Type != tree.File {
			continue
		}
		text, err := readBlob(ctx, d.step.Store, e.Digest, maxAccountFile)
		if err != nil {
			return err
		}
		return d.enable(ctx, this, u, dir+"/"+file, string(text))
	}
	return this.errorf("it has no content, and no package ships it")
}

// enable links a unit with text into what wants it, as systemctl(1) enable does:
// into u.WantedBy, or else into what its [Install] section names.
func (d *declarer) enable(ctx context.Context, this declaration, u Unit, target, text string) error {
	if !u.Enable {
		return nil
	}
	links := map[string]bool{}
	for _, w := range u.WantedBy {
		links[w+".wants/"+u.Name] = true
	}
	if len(u.WantedBy) == 0 {
		for _, link := range installLinks(u.Name, text) {
			links[link] = true
		}
	}
	if len(links) == 0 {
		return this.errorf("enabled, but nothing wants it: set wanted_by, or give it an [Install] section")
	}
	for _, link := range sortedKeys(links) {
		e := tree.Entry{Type: tree.Link, Mode: 0o777, Target: target}
		if d.kind == Home { // where the home is, nobody knows here
			e.Target = strings.Repeat("../", strings.Count(link, "/")) + u.Name
		}
		if err := d.put(ctx, this, d.kind.unitDir()+"/"+link, e); err != nil {
			return err
		}
	}
	return nil
}

// installLinks returns the links, relative to unitDir, that the [Install]
// section of a unit's text asks for. Specifiers are not expanded: links with
// any are left out.
func installLinks(name, text string) []string {
	var links []string
	inInstall := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			inInstall = line == "[Install]"
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if !inInstall || !ok {
			continue
		}
		for _, word := range strings.Fields(value) {
			if !unitName().MatchString(word) {
				continue
			}
			switch strings.TrimSpace(key) {
			case "WantedBy":
				links = append(links, word+".wants/"+name)
			case "RequiredBy":
				links = append(links, word+".requires/"+name)
			case "Alias":
				links = append(links, word)
			}
		}
	}
	return links
}

// disable removes what links to a unit from the directories of others.
func (d *declarer) disable(ctx context.Context, name string) error {
	dir, err := d.resolve(ctx, d.kind.unitDir(), true)
	if err != nil {
		return err
	}
	if e, ok, err := d.builder.Get(ctx, dir); err != nil || !ok || e.Type != tree.Dir {
		return err
	}
	entries, err := d.builder.List(ctx, dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		place := dir + "/" + e.Name
		switch {
		case e.Type == tree.Link && e.Name != name && path.Base(e.Target) == name:
		case e.Type == tree.Dir && (strings.HasSuffix(e.Name, ".wants") || strings.HasSuffix(e.Name, ".requires")):
			place += "/" + name
		default:
			continue
		}
		if _, declared := d.taken[place]; declared {
			continue
		}
		if _, ok, err := d.builder.Get(ctx, place); err != nil {
			return err
		} else if ok {
			if err := d.builder.Remove(ctx, place); err != nil {
				return err
			}
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
