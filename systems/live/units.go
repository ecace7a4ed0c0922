package live

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"sysc/internal/lazyregexp"
	"sysc/store"
	"sysc/store/tree"
)

// never are units that are not touched, whatever has changed: the sessions of users, and
// what the machine cannot be without. Patterns as path.Match has them.
var never = []string{
	"dbus.service", "dbus-broker.service", "systemd-logind.service", "systemd-journald*", "user@*.service", "user-runtime-dir@*.service",
	"getty@*.service", "serial-getty@*.service", "console-getty.service", "container-getty@*.service", "autovt@*.service",
	"display-manager.service", "gdm.service", "gdm3.service", "sddm.service", "lightdm.service", "greetd.service",
	"sysc-*.service",
}

// unitDirs are where systemd finds units of a generation, the ones that count most first
// (systemd.unit(5)).
var unitDirs = []string{"etc/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system"}

// A plan says what becomes of units.
type plan struct {
	stop    []string // before the files are replaced
	restart []string // afterwards: those of stop that go on
	reload  []string
	start   []string // what is new
	notes   []string
}

// plan compares the units that run with both generations. own is the unit that this
// program runs in, which cannot be stopped by it.
func (c *Change) plan(ctx context.Context, units []unit, own string) (*plan, error) {
	p := &plan{}
	active := map[string]bool{}
	for _, u := range units {
		active[u.name] = u.active
		if !u.active || path.Ext(u.name) == ".target" {
			continue
		}
		do, err := c.decide(ctx, u)
		if err != nil {
			return nil, fmt.Errorf("compare unit %s: %w", u.name, err)
		}
		switch {
		case do == leave:
		case u.name == own:
			p.notes = append(p.notes, fmt.Sprintf("%s has changed and is what sysc runs in: it is left alone", u.name))
		case do == reload:
			p.reload = append(p.reload, u.name)
		default:
			p.stop = append(p.stop, u.name)
			if do == restart {
				p.restart = append(p.restart, u.name)
			}
		}
	}
	wanted, err := c.newlyWanted(ctx, active)
	if err != nil {
		return nil, err
	}
	for _, name := range wanted {
		if !active[name] {
			p.start = append(p.start, name)
		}
	}
	return p, nil
}

// A decision is what becomes of a unit that runs.
type decision int

const (
	leave decision = iota
	stop
	restart
	reload
)

func (c *Change) decide(ctx context.Context, u unit) (decision, error) {
	if u.refuses || u.early || isNever(u.name) {
		return leave, nil
	}
	old, err := c.filesOf(ctx, c.old, u.name)
	if err != nil || old.fragment == "" { // none of a generation: made at run time
		return leave, err
	}
	new, err := c.filesOf(ctx, c.new, u.name)
	if err != nil {
		return leave, err
	}
	if new.fragment == "" {
		return stop, nil
	}
	if !slices.Equal(old.texts, new.texts) {
		return restart, nil
	}
	text := strings.Join(new.texts, "\n")
	for _, name := range namedFiles(text) {
		differs, err := c.differsAt(ctx, name)
		if err != nil {
			return leave, err
		}
		if differs && reloads(text) {
			return reload, nil
		}
		if differs {
			return restart, nil
		}
	}
	mapped, err := c.mapsChanged(ctx, u)
	if mapped {
		return restart, err
	}
	return leave, err
}

func isNever(name string) bool {
	return slices.ContainsFunc(never, func(pattern string) bool {
		ok, err := path.Match(pattern, name)
		return ok && err == nil
	})
}

// unitFiles are the files of a unit in a generation.
type unitFiles struct {
	fragment string   // where its own file is, "" for nowhere or when it is masked
	texts    []string // of all, each with its path
}

// filesOf finds a unit's files: the first of its name, and drop-ins from all
// directories.
func (c *Change) filesOf(ctx context.Context, side *Side, name string) (unitFiles, error) {
	var f unitFiles
	names := []string{name}
	ext := path.Ext(name)
	if prefix, _, ok := strings.Cut(name, "@"); ok {
		names = append(names, prefix+"@"+ext)
	}
	for _, n := range names {
		for _, dir := range unitDirs {
			if f.fragment != "" {
				break
			}
			text, at, err := c.text(ctx, side, dir+"/"+n)
			if err != nil {
				return f, err
			}
			if at == "" {
				masked, err := c.isLink(ctx, side, dir+"/"+n)
				if masked || err != nil {
					return unitFiles{}, err
				}
				continue
			}
			f.fragment = at
			f.texts = append(f.texts, text)
		}
	}
	for _, n := range append(names, ext[1:]) {
		for _, dir := range unitDirs {
			more, err := c.dropIns(ctx, side, dir+"/"+n+".d")
			if err != nil {
				return f, err
			}
			f.texts = append(f.texts, more...)
		}
	}
	return f, nil
}

// isLink reports whether there is a symbolic link at a path, as where a unit is masked.
func (c *Change) isLink(ctx context.Context, side *Side, name string) (bool, error) {
	e, err := tree.Find(ctx, c.machine.Source, side.root(), name)
	if errors.Is(err, store.ErrNotExist) {
		return false, nil
	}
	return err == nil && e.Type == tree.Link, err
}

// maxUnit bounds what is read of a unit's file, in bytes.
const maxUnit = 1 << 20

// text returns what a file has in it, and where links in its path led; "" for where when
// there is none.
func (c *Change) text(ctx context.Context, side *Side, name string) (text, at string, err error) {
	at, e, err := tree.Resolve(ctx, c.machine.Source, side.root(), name)
	if errors.Is(err, store.ErrNotExist) || err == nil && e.Type != tree.File {
		return "", "", nil
	}
	if err != nil || e.Size == 0 {
		return "", at, err
	}
	f, err := c.machine.Source.OpenBlob(ctx, e.Digest)
	if err != nil {
		return "", "", err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxUnit))
	return string(data), at, err
}

// dropIns returns the texts of the drop-ins in a directory.
func (c *Change) dropIns(ctx context.Context, side *Side, dir string) ([]string, error) {
	_, e, err := tree.Resolve(ctx, c.machine.Source, side.root(), dir)
	if errors.Is(err, store.ErrNotExist) || err == nil && e.Type != tree.Dir {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t, err := c.machine.Source.Tree(ctx, e.Digest)
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, e := range t.Entries {
		if path.Ext(e.Name) != ".conf" {
			continue
		}
		text, at, err := c.text(ctx, side, dir+"/"+e.Name)
		if err != nil {
			return nil, err
		}
		if at != "" {
			texts = append(texts, "# "+e.Name+"\n"+text)
		}
	}
	return texts, nil
}

// filePath is a path, in a unit's text, of something that belongs to a generation.
var filePath = lazyregexp.New(`/(?:etc|usr|opt|bin|sbin|lib|lib64)/[^\s"';:,=$%{}\\]+`)

// namedFiles returns the files that a unit's text names.
func namedFiles(text string) []string {
	var names []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		for _, at := range filePath().FindAllStringIndex(line, -1) {
			if at[0] > 0 && isPathByte(line[at[0]-1]) {
				continue // the end of a longer one, as of /var/lib/x
			}
			names = append(names, line[at[0]:at[1]])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func isPathByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("/._%}", c) >= 0
}

// reloads reports whether a unit says that it is to read its configuration again rather
// than to be started again.
func reloads(text string) bool {
	return strings.Contains("\n"+text, "\nX-ReloadIfChanged=true") || strings.Contains("\n"+text, "\nX-ReloadIfChanged=yes")
}

// newlyWanted returns the units that something which runs wants in the new generation,
// and did not in the old one.
func (c *Change) newlyWanted(ctx context.Context, active map[string]bool) ([]string, error) {
	old, err := c.wants(ctx, c.old, active)
	if err != nil {
		return nil, err
	}
	new, err := c.wants(ctx, c.new, active)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, name := range new {
		if slices.Contains(old, name) {
			continue
		}
		f, err := c.filesOf(ctx, c.new, name)
		if err != nil {
			return nil, err
		}
		if f.fragment != "" && !isNever(name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// wants returns the units that those which run want in a generation, sorted.
func (c *Change) wants(ctx context.Context, side *Side, active map[string]bool) ([]string, error) {
	var names []string
	for _, dir := range unitDirs {
		_, e, err := tree.Resolve(ctx, c.machine.Source, side.root(), dir)
		if errors.Is(err, store.ErrNotExist) || err == nil && e.Type != tree.Dir {
			continue
		}
		if err != nil {
			return nil, err
		}
		t, err := c.machine.Source.Tree(ctx, e.Digest)
		if err != nil {
			return nil, err
		}
		for _, e := range t.Entries {
			by, ok := cutWants(e.Name)
			if !ok || e.Type != tree.Dir || !active[by] {
				continue
			}
			links, err := c.machine.Source.Tree(ctx, e.Digest)
			if err != nil {
				return nil, err
			}
			for _, l := range links.Entries {
				names = append(names, l.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// cutWants returns the unit whose directory of wanted units has this name.
func cutWants(name string) (by string, ok bool) {
	for _, suffix := range []string{".wants", ".requires", ".upholds"} {
		if by, ok := strings.CutSuffix(name, suffix); ok {
			return by, true
		}
	}
	return "", false
}
