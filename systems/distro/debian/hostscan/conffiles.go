package hostscan

import (
	"crypto/md5" // dpkg's database has nothing better
	"encoding/hex"
	"errors"
	"io/fs"
	"path"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"

	"sysc/systems/distro/debian/deb822"
)

// A File is a configuration file of a package that was changed on the machine.
type File struct {
	Path    string // absolute
	Package string
	Content []byte
	Mode    uint32
	// Owner and Group are names of system accounts, "" for root.
	Owner, Group string
}

// conffiles compares the configuration files that dpkg notes with what it notes of them
// (deb-conffiles(5)): the MD5 of what the package had.
func (s *scan) conffiles() error {
	return s.stanzas("var/lib/dpkg/status", maxStatus, func(st *deb822.Stanza) {
		if !strings.HasSuffix(st.Value("Status"), " installed") {
			return
		}
		for _, line := range deb822.Lines(st.Value("Conffiles")) {
			// "PATH MD5", and "obsolete" behind it when the package has it no more.
			words := strings.Fields(line)
			if len(words) == 2 && path.IsAbs(words[0]) && path.Clean(words[0]) == words[0] {
				s.conffile(st.Value("Package"), words[0], words[1])
			}
		}
	})
}

// conffile takes a file that is another one than the package's.
func (s *scan) conffile(pkg, name, sum string) {
	if slices.Contains(takenElsewhere, name) {
		return
	}
	info, err := s.root.Lstat(name[1:])
	switch {
	case errors.Is(err, fs.ErrNotExist):
		s.left("%s: it was removed, and the package %s brings it again.", name, pkg)
		return
	case err != nil || !info.Mode().IsRegular():
		s.left("%s: it is no ordinary file any more, as the package %s has it.", name, pkg)
		return
	}
	const everybody = 0o004
	if info.Mode()&everybody == 0 {
		s.left("%s of the package %s: not everybody may read it, so nobody has looked whether it was changed.", name, pkg)
		return
	}
	content, err := s.read(name[1:])
	if err != nil {
		s.left("%s of the package %s: %v.", name, pkg, err)
		return
	}
	if has := md5.Sum(content); hex.EncodeToString(has[:]) == sum {
		return
	}
	if !utf8.Valid(content) {
		s.left("%s of the package %s: it was changed, and is no text.", name, pkg)
		return
	}
	f := File{Path: name, Package: pkg, Content: content, Mode: uint32(info.Mode().Perm())}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		f.Owner, f.Group = s.systemAccount("etc/passwd", stat.Uid), s.systemAccount("etc/group", stat.Gid)
	}
	s.host.Files = append(s.host.Files, f)
}

// takenElsewhere are files that become options of their own.
var takenElsewhere = []string{"/etc/default/locale", "/etc/locale.conf"}
