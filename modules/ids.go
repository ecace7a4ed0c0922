package modules

import (
	"fmt"
	"maps"
)

// Numbers of accounts. Debian Policy, section 9.2.2: 0 to 99 are assigned by
// Debian, 100 to 999 are for packages' scripts to take from the lower end,
// 1000 to 59999 are for people. systemd-sysusers takes from 999 down, so our own
// system accounts begin below the first hundred of those.
const (
	firstPerson, lastPerson = 1000, 59999
	firstSystem, lastSystem = 899, 500 // downwards
)

// ids are the numbers of accounts that state none, as the lock file keeps them.
type ids struct {
	users, groups map[string]uint32
}

func newIDs(users, groups map[string]uint32) *ids {
	i := &ids{users: maps.Clone(users), groups: maps.Clone(groups)}
	if i.users == nil {
		i.users = map[string]uint32{}
	}
	if i.groups == nil {
		i.groups = map[string]uint32{}
	}
	return i
}

func (i *ids) of(kind string) map[string]uint32 {
	if kind == "user" {
		return i.users
	}
	return i.groups
}

// known returns the number of an account.
func (i *ids) known(kind, name string) (uint32, bool) {
	id, ok := i.of(kind)[name]
	return id, ok
}

// allocate gives every account without a number one that no user and no group
// has, because a user's own group has the user's number. Accounts come in any
// order that does not depend on chance; a user and a group of one name get the
// same number where that is free. Numbers that exist already are kept.
func (i *ids) allocate(accounts []account) error {
	taken := map[uint32]string{}
	for _, m := range []map[string]uint32{i.users, i.groups} {
		for name, id := range m {
			taken[id] = name
		}
	}
	for _, a := range accounts {
		if a.stated != nil {
			taken[*a.stated] = a.name
		}
	}
	for _, a := range accounts {
		if _, ok := i.known(a.kind, a.name); ok || a.stated != nil {
			continue
		}
		id, ok := i.partner(a, accounts)
		if !ok {
			if id, ok = free(taken, a.system); !ok {
				return fmt.Errorf("number %s %q: no free number is left", a.kind, a.name)
			}
		}
		taken[id] = a.name
		i.of(a.kind)[a.name] = id
	}
	return nil
}

// partner returns the number of the account of the other kind with a's name, if
// no account of a's kind has it.
func (i *ids) partner(a account, accounts []account) (uint32, bool) {
	other := map[string]string{"user": "group", "group": "user"}[a.kind]
	id, ok := i.known(other, a.name)
	for _, b := range accounts {
		if b.kind == other && b.name == a.name && b.stated != nil {
			id, ok = *b.stated, true
		}
	}
	if !ok {
		return 0, false
	}
	for name, used := range i.of(a.kind) {
		if used == id && name != a.name {
			return 0, false
		}
	}
	for _, b := range accounts {
		if b.kind == a.kind && b.name != a.name && b.stated != nil && *b.stated == id {
			return 0, false
		}
	}
	return id, true
}

func free(taken map[uint32]string, system bool) (uint32, bool) {
	if system {
		for id := uint32(firstSystem); id >= lastSystem; id-- {
			if _, ok := taken[id]; !ok {
				return id, true
			}
		}
		return 0, false
	}
	for id := uint32(firstPerson); id <= lastPerson; id++ {
		if _, ok := taken[id]; !ok {
			return id, true
		}
	}
	return 0, false
}
