package systems

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"sysc/internal/lazyregexp"
)

// maxAccountFile bounds each of the four account files, in bytes.
const maxAccountFile = 16 << 20

// accountName is what useradd(8) accepts on Debian.
var accountName = lazyregexp.New(`^[a-z_][a-z0-9_-]{0,30}[a-z0-9_$-]?$`)

// An accountFile is one of passwd(5), group(5), shadow(5), gshadow(5): lines of
// fields between colons, the first of which is a name. Lines that are not
// changed are written as they were read.
type accountFile struct {
	path    string // in the root
	fields  int
	lines   [][]string
	index   map[string]int // by name
	changed bool
}

func parseAccountFile(path string, fields int, data []byte) *accountFile {
	f := &accountFile{path: path, fields: fields, index: map[string]int{}}
	for line := range bytes.Lines(data) {
		text := strings.TrimSuffix(string(line), "\n")
		entry := strings.Split(text, ":")
		if _, ok := f.index[entry[0]]; !ok && len(entry) == fields {
			f.index[entry[0]] = len(f.lines)
		}
		f.lines = append(f.lines, entry)
	}
	return f
}

// line returns the fields of a name, to read and to change.
func (f *accountFile) line(name string) ([]string, bool) {
	i, ok := f.index[name]
	if !ok {
		return nil, false
	}
	return f.lines[i], true
}

func (f *accountFile) add(fields ...string) {
	f.index[fields[0]] = len(f.lines)
	f.lines = append(f.lines, fields)
	f.changed = true
}

func (f *accountFile) set(name string, field int, value string) {
	if line := f.lines[f.index[name]]; line[field] != value {
		line[field] = value
		f.changed = true
	}
}

func (f *accountFile) encode() string {
	var b strings.Builder
	for _, line := range f.lines {
		b.WriteString(strings.Join(line, ":"))
		b.WriteByte('\n')
	}
	return b.String()
}

// number returns the value of a numeric field of a name.
func (f *accountFile) number(name string, field int) (uint32, bool) {
	line, ok := f.line(name)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseUint(line[field], 10, 32)
	return uint32(n), err == nil
}

// holder returns the first name whose numeric field is n.
func (f *accountFile) holder(n uint32, field int) (string, bool) {
	for _, line := range f.lines {
		if len(line) == f.fields && line[field] == strconv.FormatUint(uint64(n), 10) {
			return line[0], true
		}
	}
	return "", false
}

// Fields of passwd(5) and group(5).
const (
	passwdUID, passwdGID, passwdGecos, passwdHome, passwdShell = 2, 3, 4, 5, 6
	groupGID, groupMembers                                     = 2, 3
	gshadowMembers                                             = 3
)

// accounts are the users and groups of a root.
type accounts struct {
	passwd, group, shadow, gshadow *accountFile
}

// uid returns the number of a user. "" and "root" are 0 even in a root without
// /etc/passwd, and a decimal number stands for itself.
func (a *accounts) uid(name string) (uint32, bool) { return accountNumber(a.passwd, name, passwdUID) }

// gid is uid for groups.
func (a *accounts) gid(name string) (uint32, bool) { return accountNumber(a.group, name, groupGID) }

func accountNumber(f *accountFile, name string, field int) (uint32, bool) {
	if name == "" || name == "root" {
		return 0, true
	}
	if n, ok := f.number(name, field); ok {
		return n, true
	}
	n, err := strconv.ParseUint(name, 10, 32)
	// 4294967295 is "no change" to chown(2), not a user.
	return uint32(n), err == nil && n < 1<<32-1
}

// addGroup adds a group, or holds an existing one to its number.
func (a *accounts) addGroup(g Group) error {
	this := g.declaration()
	if !accountName().MatchString(g.Name) {
		return this.errorf("not a name that groups can have: lower-case letters, digits, - and _, at most 32")
	}
	if have, ok := a.group.number(g.Name, groupGID); ok {
		if have != g.GID {
			return this.errorf("the root has it with gid %d, not %d", have, g.GID)
		}
		return nil
	}
	if other, ok := a.group.holder(g.GID, groupGID); ok {
		return this.errorf("gid %d belongs to group %s", g.GID, other)
	}
	a.group.add(g.Name, "x", strconv.FormatUint(uint64(g.GID), 10), "")
	if _, ok := a.gshadow.line(g.Name); !ok {
		a.gshadow.add(g.Name, "!", "", "")
	}
	return nil
}

// addUser adds a user with a locked password, or changes an existing one. A user
// whose group is named like the user gets that group when there is none.
func (a *accounts) addUser(u User) error {
	this := u.declaration()
	if err := checkUser(this, u); err != nil {
		return err
	}
	group := u.Group
	if group == "" {
		group = u.Name
	}
	gid, ok := a.group.number(group, groupGID)
	if !ok && group == u.Name {
		err := a.addGroup(Group{Name: u.Name, GID: u.UID, Position: u.Position})
		if err != nil {
			return this.errorf("cannot make its own group: %v", err)
		}
		gid, ok = u.UID, true
	}
	if !ok {
		return this.errorf("no group %q; declare group %q", group, group)
	}
	if have, ok := a.passwd.number(u.Name, passwdUID); ok {
		if have != u.UID {
			return this.errorf("the root has it with uid %d, not %d", have, u.UID)
		}
		a.changeUser(u, gid)
		return nil
	}
	if other, ok := a.passwd.holder(u.UID, passwdUID); ok {
		return this.errorf("uid %d belongs to user %s", u.UID, other)
	}
	home, shell := u.Home, u.Shell
	if home == "" {
		home = "/nonexistent"
	}
	if shell == "" {
		shell = "/usr/sbin/nologin"
	}
	number := func(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
	a.passwd.add(u.Name, "x", number(u.UID), number(gid), u.Description, home, shell)
	if _, ok := a.shadow.line(u.Name); !ok {
		// "!*" is locked, and no password ever opens it. Without a date of the last
		// change, ageing is off (shadow(5)), and the line does not depend on a clock.
		a.shadow.add(u.Name, "!*", "", "", "", "", "", "", "")
	}
	return nil
}

// changeUser sets what a declaration says of a user that the root has.
func (a *accounts) changeUser(u User, gid uint32) {
	if u.Group != "" {
		a.passwd.set(u.Name, passwdGID, strconv.FormatUint(uint64(gid), 10))
	}
	for field, value := range map[int]string{passwdGecos: u.Description, passwdHome: u.Home, passwdShell: u.Shell} {
		if value != "" {
			a.passwd.set(u.Name, field, value)
		}
	}
}

func checkUser(this declaration, u User) error {
	if !accountName().MatchString(u.Name) {
		return this.errorf("not a name that users can have: lower-case letters, digits, - and _, at most 32")
	}
	if strings.ContainsAny(u.Description, ":\n\x00") {
		return this.errorf("its description holds a colon or a line break, which /etc/passwd cannot hold")
	}
	for what, p := range map[string]string{"home": u.Home, "shell": u.Shell} {
		if p == "" || what == "home" && p == "/" {
			continue
		}
		if err := checkPath(p); err != nil {
			return this.errorf("its %s: %v", what, err)
		}
		if strings.ContainsAny(p, ":\n") {
			return this.errorf("its %s holds a colon or a line break, which /etc/passwd cannot hold", what)
		}
	}
	return nil
}

// addMember makes a user a member of a group.
func (a *accounts) addMember(this declaration, user, group string) error {
	if _, ok := a.passwd.line(user); !ok {
		return this.errorf("no user %q; declare user %q, or add the package that makes it", user, user)
	}
	line, ok := a.group.line(group)
	if !ok {
		return this.errorf("no group %q; declare group %q, or add the package that makes it", group, group)
	}
	a.group.set(group, groupMembers, withMember(line[groupMembers], user))
	if line, ok := a.gshadow.line(group); ok {
		a.gshadow.set(group, gshadowMembers, withMember(line[gshadowMembers], user))
	}
	return nil
}

func withMember(list, name string) string {
	if list == "" {
		return name
	}
	if slices.Contains(strings.Split(list, ","), name) {
		return list
	}
	return list + "," + name
}

// declareAccounts adds groups, users and memberships, each sorted by name.
func (a *accounts) declare(users []User, groups []Group) error {
	for _, g := range groups {
		if err := a.addGroup(g); err != nil {
			return err
		}
	}
	for _, u := range users {
		if err := a.addUser(u); err != nil {
			return err
		}
	}
	for _, g := range groups {
		this := g.declaration()
		for _, member := range g.Members {
			if err := a.addMember(this, member, g.Name); err != nil {
				return err
			}
		}
	}
	for _, u := range users {
		this := u.declaration()
		for _, group := range u.Groups {
			if err := a.addMember(this, u.Name, group); err != nil {
				return err
			}
		}
	}
	return nil
}

// parseAccounts reads the four files with read, which returns nil for a file
// that does not exist.
func parseAccounts(read func(path string) ([]byte, error)) (*accounts, error) {
	a := &accounts{}
	for _, f := range []struct {
		into   **accountFile
		path   string
		fields int
	}{
		{&a.passwd, "etc/passwd", 7},
		{&a.group, "etc/group", 4},
		{&a.shadow, "etc/shadow", 9},
		{&a.gshadow, "etc/gshadow", 4},
	} {
		data, err := read(f.path)
		if err != nil {
			return nil, fmt.Errorf("read /%s: %v", f.path, err)
		}
		*f.into = parseAccountFile(f.path, f.fields, data)
	}
	return a, nil
}
