package hostscan

import (
	"path"
	"slices"
	"strconv"
	"strings"

	"sysc/internal/lazyregexp"
)

// People's accounts have numbers from 1000 to 59999 (Debian Policy, section 9.2.2).
const (
	firstPerson = 1000
	lastPerson  = 59999
)

var accountName = lazyregexp.New(`^[a-z_][a-z0-9_-]{0,30}[a-z0-9_$-]?$`)

// accounts reads passwd(5) and group(5).
func (s *scan) accounts() error {
	passwd, err := s.lines("etc/passwd", 7)
	if err != nil {
		return err
	}
	groups, err := s.lines("etc/group", 4)
	if err != nil {
		return err
	}
	names, member := map[string]string{}, map[string][]string{}
	for _, g := range groups {
		if !accountName().MatchString(g[0]) {
			continue
		}
		names[g[2]] = g[0]
		for _, user := range strings.Split(g[3], ",") {
			member[user] = append(member[user], g[0])
		}
	}
	people, own := map[string]bool{}, map[string]bool{}
	for _, p := range passwd {
		uid, ok := personNumber(p[2])
		if !ok {
			continue
		}
		u := User{Name: p[0], UID: uid, Description: strings.TrimRight(p[4], ","), Home: path.Clean(p[5]), Shell: path.Clean(p[6]), Groups: member[p[0]]}
		if !accountName().MatchString(u.Name) || !path.IsAbs(u.Home) || !path.IsAbs(u.Shell) {
			s.left("The user %q: such an account cannot be declared.", u.Name)
			continue
		}
		if g := names[p[3]]; g != u.Name || p[3] != p[2] {
			u.Group = g
		} else {
			own[g] = true
		}
		slices.Sort(u.Groups)
		people[u.Name] = true
		s.host.Users = append(s.host.Users, u)
	}
	for _, g := range groups {
		gid, ok := personNumber(g[2])
		if !ok || own[g[0]] || !accountName().MatchString(g[0]) {
			continue
		}
		group := Group{Name: g[0], GID: gid}
		for _, user := range strings.Split(g[3], ",") {
			if user != "" && !people[user] && accountName().MatchString(user) {
				group.Members = append(group.Members, user) // people say so themselves
			}
		}
		slices.Sort(group.Members)
		s.host.Groups = append(s.host.Groups, group)
	}
	slices.SortFunc(s.host.Users, func(a, b User) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(s.host.Groups, func(a, b Group) int { return strings.Compare(a.Name, b.Name) })
	if len(s.host.Users) > 0 {
		s.left("Passwords and authorized keys: accounts are locked until their users get one.")
	}
	return nil
}

// lines reads a file of lines with fields between colons; others are passed over.
func (s *scan) lines(name string, fields int) ([][]string, error) {
	text, err := s.read(name)
	if err != nil {
		return nil, err
	}
	var out [][]string
	for line := range strings.Lines(string(text)) {
		if f := strings.Split(strings.TrimRight(line, "\n"), ":"); len(f) == fields {
			out = append(out, f)
		}
	}
	return out, nil
}

func personNumber(text string) (uint32, bool) {
	n, err := strconv.ParseUint(text, 10, 32)
	return uint32(n), err == nil && n >= firstPerson && n <= lastPerson
}

// systemAccount returns the name of a system account or group by its number in passwd(5)
// or group(5), "" for root and for people's: those are not what packages give files to.
func (s *scan) systemAccount(file string, id uint32) string {
	if id == 0 || id >= firstPerson {
		return ""
	}
	text, err := s.read(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(line, ":")
		if len(f) > 2 && f[2] == strconv.FormatUint(uint64(id), 10) && accountName().MatchString(f[0]) {
			return f[0]
		}
	}
	return ""
}
