// Package hostscan reads what a Debian machine consists of, so that a first
// definition can be written from it: packages that somebody asked for, people's
// accounts, units of the machine's own, configuration files that were changed.
//
// Only files that everybody on the machine may read are looked at, and no secrets:
// passwords stay where they are. What cannot be taken over is named in [Host.Left].
package hostscan

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"sysc/internal/lazyregexp"
)

// A Host is what was found.
type Host struct {
	// Name is the host's, Suite the release's, as "trixie".
	Name, Suite string
	// Packages are those that were asked for and are not there in any case, sorted.
	Packages []string
	// Users and Groups are those of people, sorted by name.
	Users  []User
	Groups []Group
	// Units are those of the machine's own, sorted by name.
	Units []Unit
	// Files are configuration files of packages that were changed, sorted by path.
	Files []File
	// Timezone and Locale are "" when nobody has chosen any.
	Timezone, Locale string
	// Left says what is not in here and why, a sentence each, sorted.
	Left []string
}

// A User is an account.
type User struct {
	Name, Group, Description, Home, Shell string
	UID                                   uint32
	// Groups are further groups that the user is a member of, sorted.
	Groups []string
}

// A Group is a group that is no user's own.
type Group struct {
	Name string
	GID  uint32
	// Members are sorted.
	Members []string
}

// A Unit is a unit file, or the mask of one.
type Unit struct {
	Name string
	// Content is the file's; nil for one that a package ships.
	Content []byte
	Masked  bool
	// WantedBy are the units that start it, sorted.
	WantedBy []string
}

// ErrForeign is returned, wrapped, for what is no Debian.
var ErrForeign = errors.New("not a Debian")

// maxSmall and maxStatus bound files, in bytes.
const (
	maxSmall  = 1 << 20
	maxStatus = 128 << 20
)

// Scan reads the machine whose root is a directory, "/" for this one.
func Scan(dir string) (*Host, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("read the host: %w", err)
	}
	defer root.Close()
	s := &scan{root: root, host: &Host{}}
	for _, step := range []func() error{s.release, s.names, s.packages, s.accounts, s.units, s.conffiles} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("read the host: %w", err)
		}
	}
	slices.Sort(s.host.Left)
	slices.SortFunc(s.host.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return s.host, nil
}

type scan struct {
	root *os.Root
	host *Host
}

func (s *scan) left(format string, args ...any) {
	s.host.Left = append(s.host.Left, fmt.Sprintf(format, args...))
}

// open opens a regular file.
func (s *scan) open(name string) (*os.File, error) {
	f, err := s.root.Open(name)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, errors.Join(err, fmt.Errorf("%s: not a regular file", name))
	}
	return f, nil
}

// read returns a small file; one that is not there is empty.
func (s *scan) read(name string) ([]byte, error) {
	f, err := s.open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxSmall+1))
	if err == nil && len(data) > maxSmall {
		err = fmt.Errorf("%s has more than %d bytes", name, maxSmall)
	}
	return data, err
}

// list returns the names in a directory, sorted; none for one that is not there.
func (s *scan) list(name string) ([]fs.DirEntry, error) {
	d, err := s.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	entries, err := d.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// assignments reads lines NAME=VALUE, with or without quotes (os-release(5)).
func assignments(text []byte) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(key, "#") {
			out[key] = strings.Trim(value, `"'`)
		}
	}
	return out
}

var (
	suitePattern    = lazyregexp.New(`^[a-z]+$`)
	timezonePattern = lazyregexp.New(`^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$`)
	localePattern   = lazyregexp.New(`^(C|POSIX|[a-z]{2,3}_[A-Z]{2})(\.[A-Za-z0-9-]+)?(@[a-z]+)?$`)
)

func (s *scan) release() error {
	text, err := s.read("etc/os-release")
	if err != nil {
		return err
	}
	release := assignments(text)
	if release["ID"] != "debian" {
		return fmt.Errorf("%w: /etc/os-release says ID=%q", ErrForeign, release["ID"])
	}
	s.host.Suite = release["VERSION_CODENAME"]
	if !suitePattern().MatchString(s.host.Suite) {
		return fmt.Errorf("%w of a release: /etc/os-release says VERSION_CODENAME=%q", ErrForeign, s.host.Suite)
	}
	return nil
}

// names reads the host's name, time zone and locale.
func (s *scan) names() error {
	name, err := s.read("etc/hostname")
	if err != nil {
		return err
	}
	s.host.Name = strings.TrimSpace(string(name))
	if target, err := s.root.Readlink("etc/localtime"); err == nil {
		if _, zone, ok := strings.Cut(target, "/zoneinfo/"); ok && timezonePattern().MatchString(zone) && !slices.Contains([]string{"UTC", "Etc/UTC"}, zone) {
			s.host.Timezone = zone
		}
	}
	for _, file := range []string{"etc/locale.conf", "etc/default/locale"} {
		text, err := s.read(file)
		if err != nil && !isLink(s.root, file) {
			return err
		}
		if lang := assignments(text)["LANG"]; localePattern().MatchString(lang) && !slices.Contains([]string{"C.UTF-8", "C", "POSIX"}, lang) {
			s.host.Locale = lang
			return nil
		}
	}
	return nil
}

// isLink reports whether a name is a symbolic link, which may lead out of the root.
func isLink(root *os.Root, name string) bool {
	info, err := root.Lstat(name)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}
