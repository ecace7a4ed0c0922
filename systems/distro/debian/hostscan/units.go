package hostscan

import (
	"io/fs"
	"path"
	"slices"
	"strings"

	"sysc/internal/lazyregexp"
)

// unitsDir is where an administrator's units are (systemd.unit(5)).
const unitsDir = "etc/systemd/system"

var unitName = lazyregexp.New(`^[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]*)?\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope)$`)

// units reads the units that are files of the machine's own, and those that are
// masked.
func (s *scan) units() error {
	entries, err := s.list(unitsDir)
	if err != nil {
		return err
	}
	wanted, err := s.wanted(entries)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(unitsDir, e.Name())
		switch {
		case e.IsDir() && strings.HasSuffix(e.Name(), ".d"):
			s.left("/%s: additions to a unit become file blocks, if they are wanted.", name)
		case !unitName().MatchString(e.Name()):
		case e.Type()&fs.ModeSymlink != 0:
			if target, err := s.root.Readlink(name); err == nil && target == "/dev/null" {
				s.host.Units = append(s.host.Units, Unit{Name: e.Name(), Masked: true})
			}
		case e.Type().IsRegular():
			if err := s.unit(e, name, wanted[e.Name()]); err != nil {
				return err
			}
		}
	}
	return nil
}

// unit reads one, if everybody may.
func (s *scan) unit(e fs.DirEntry, name string, wantedBy []string) error {
	const everybody = 0o004
	info, err := e.Info()
	if err != nil {
		return err
	}
	if info.Mode()&everybody == 0 {
		s.left("/%s: not everybody may read it, and what is in a definition, everybody may.", name)
		return nil
	}
	text, err := s.read(name)
	if err != nil {
		return err
	}
	s.host.Units = append(s.host.Units, Unit{Name: e.Name(), Content: text, WantedBy: wantedBy})
	return nil
}

// wanted returns which units start others, from the links in directories such as
// multi-user.target.wants.
func (s *scan) wanted(entries []fs.DirEntry) (map[string][]string, error) {
	out := map[string][]string{}
	for _, e := range entries {
		by, ok := strings.CutSuffix(e.Name(), ".wants")
		if !ok || !e.IsDir() || !unitName().MatchString(by) {
			continue
		}
		links, err := s.list(path.Join(unitsDir, e.Name()))
		if err != nil {
			return nil, err
		}
		for _, l := range links {
			out[l.Name()] = append(out[l.Name()], by)
		}
	}
	for _, by := range out {
		slices.Sort(by)
	}
	return out, nil
}
