package modules

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"sysc/lang/diag"
	"sysc/modules/option"
	"sysc/systems"
)

// declared reads everything that a system declares besides its packages. Users
// and groups have the numbers that ids knows.
func (r *reader) declared(def *systems.Definition, ids *ids) {
	root := r.e.options.Root()
	def.Hostname = r.text(root, "hostname")
	boot := r.option(root, "boot")
	def.KernelParams = r.texts(boot, "kernel_params")
	def.Boot = systems.BootSettings{Limit: r.count(boot, "limit"), Tries: r.count(boot, "tries")}
	def.Initrd = r.initrd(boot, def)
	paths := map[string]diag.Range{}
	for _, n := range r.instances("directory") {
		r.claim(paths, n)
		def.Directories = append(def.Directories, systems.Directory{
			Path: n.Key(), Mode: r.mode(n, "mode"), User: r.text(n, "user"), Group: r.text(n, "group"), Position: position(n.Range()),
		})
	}
	for _, n := range r.instances("file") {
		r.claim(paths, n)
		def.Files = append(def.Files, r.file(n))
	}
	def.Files = append(def.Files, r.secrets()...)
	for _, n := range r.instances("symlink") {
		r.claim(paths, n)
		def.Symlinks = append(def.Symlinks, systems.Symlink{Path: n.Key(), Target: r.text(n, "target"), Position: position(n.Range())})
	}
	r.filesystems(def, paths)
	r.kernel(def, paths)
	for _, n := range r.instances("unit") {
		def.Units = append(def.Units, r.unit(n))
	}
	for _, n := range r.instances("health_check") {
		def.HealthChecks = append(def.HealthChecks, r.healthCheck(n))
	}
	r.accounts(def, ids)
}

// claim reports a path that is declared twice, as different things.
func (r *reader) claim(paths map[string]diag.Range, n *option.Node) {
	at := n.Range()
	if other, ok := paths[n.Key()]; ok {
		r.errorf(n, "Path declared twice", "%s is declared as something else, too, at %s. A path is one of a file, a directory and a symbolic link.", n.Key(), other)
	}
	paths[n.Key()] = at
}

func (r *reader) file(n *option.Node) systems.File {
	return r.contents(n, systems.File{
		Path: n.Key(), Mode: r.mode(n, "mode"), User: r.text(n, "user"), Group: r.text(n, "group"), Position: position(n.Range()),
	})
}

// contents reads what a file holds.
func (r *reader) contents(n *option.Node, f systems.File) systems.File {
	var content, source bool
	before := r.problems()
	f.Content, content = r.maybeText(n, "content")
	f.Source, source = r.maybeText(n, "source")
	switch {
	case r.problems() > before:
	case content && source:
		r.errorf(n, "File with content and source", "%s has both content and source; it takes one of them.", n.Path())
	case !content && !source && n.Misspelt():
	case !content && !source:
		r.errorf(n, "File without content", "%s has neither content nor source. For an empty file set content = \"\".", n.Path())
	case source && !strings.HasPrefix(f.Source, storePrefix):
		r.errorf(r.option(n, "source"), "Source outside of the store",
			"source is the path of a file in the store, as source(\"./file\") or derivation.NAME.out returns it; %q is none.", f.Source)
	}
	return f
}

func (r *reader) unit(n *option.Node) systems.Unit {
	u := systems.Unit{Name: n.Key(), WantedBy: r.texts(n, "wanted_by"), Mask: r.flag(n, "mask"), Position: position(n.Range())}
	content, given := r.maybeText(n, "content")
	u.Content = content
	u.Enable = !u.Mask && (!given || len(u.WantedBy) > 0 || hasInstall(content))
	if v, ok := r.value(n, "enable"); ok && !v.IsNull() {
		u.Enable = v.True()
	}
	if u.Mask && (given || u.Enable) {
		r.errorf(n, "Masked unit with content", "%s is masked, so it can neither have content nor be enabled.", n.Path())
	}
	return u
}

func (r *reader) healthCheck(n *option.Node) systems.HealthCheck {
	before := r.problems()
	c := systems.HealthCheck{
		Name: n.Key(), Command: r.texts(n, "command"), HTTP: r.text(n, "http"), TCP: r.text(n, "tcp"), Unit: r.text(n, "unit"),
		Wanted: r.text(n, "severity") == "wanted", Position: position(n.Range()),
	}
	// The option's type has checked the form; sums that are too large are of no
	// length, which Check refuses.
	timeout, _ := time.ParseDuration(r.text(n, "timeout"))
	c.Timeout = timeout.Milliseconds()
	if err := c.Check(); err != nil && r.problems() == before && !n.Misspelt() {
		r.errorf(n, "Unsuitable health check", "%s: %v.", n.Path(), err)
	}
	return c
}

// hasInstall reports whether a unit file has an [Install] section.
func hasInstall(content string) bool {
	for line := range strings.Lines(content) {
		if strings.TrimSpace(line) == "[Install]" {
			return true
		}
	}
	return false
}

// Where people and services live when nothing else is said.
const (
	homeBase     = "/home/"
	noHome       = "/nonexistent"
	loginShell   = "/bin/bash"
	noLoginShell = "/usr/sbin/nologin"
)

func (r *reader) accounts(def *systems.Definition, ids *ids) {
	for _, a := range r.accountsOf("group") {
		g := systems.Group{Name: a.name, Members: r.texts(a.node, "members"), System: a.system, Position: position(a.node.Range())}
		g.GID = r.number(a, ids)
		slices.Sort(g.Members)
		def.Groups = append(def.Groups, g)
	}
	for _, a := range r.accountsOf("user") {
		n := a.node
		u := systems.User{
			Name: a.name, Group: r.text(n, "group"), Groups: r.texts(n, "groups"),
			Description: r.text(n, "description"), System: a.system, Position: position(n.Range()),
		}
		home, shell := homeBase+a.name, loginShell
		if a.system {
			home, shell = noHome, noLoginShell
		}
		u.Home, u.Shell = cmp.Or(r.text(n, "home"), home), cmp.Or(r.text(n, "shell"), shell)
		u.UID = r.number(a, ids)
		slices.Sort(u.Groups)
		def.Users = append(def.Users, u)
	}
	r.unique(r.accountsOf("user"), ids)
	r.unique(r.accountsOf("group"), ids)
}

// An account is a declared user or group.
type account struct {
	node   *option.Node
	kind   string // "user" or "group"
	name   string
	system bool
	// stated is the number that the definition states.
	stated *uint32
	// broken is set when it is not known what the definition states.
	broken bool
}

// accountsOf returns the declared users or groups, sorted by name.
func (r *reader) accountsOf(kind string) []account {
	number := map[string]string{"user": "uid", "group": "gid"}[kind]
	var out []account
	for _, n := range r.instances(kind) {
		a := account{node: n, kind: kind, name: n.Key(), system: r.flag(n, "system")}
		id, ok := r.id(n, number)
		a.stated, a.broken = id, !ok
		out = append(out, a)
	}
	return out
}

// number returns an account's uid or gid.
func (r *reader) number(a account, ids *ids) uint32 {
	if a.stated != nil {
		return *a.stated
	}
	id, ok := ids.known(a.kind, a.name)
	if !ok && !a.broken {
		r.errorf(a.node, missingLock, "sysc.lock has no number for %s %q yet. Run sysc lock, or state the number here.", a.kind, a.name)
	}
	return id
}

// unique reports numbers that two accounts have.
func (r *reader) unique(accounts []account, ids *ids) {
	holder := map[uint32]account{}
	for _, a := range accounts {
		id, ok := ids.known(a.kind, a.name)
		if a.stated != nil {
			id, ok = *a.stated, true
		}
		if !ok {
			continue
		}
		if other, taken := holder[id]; taken {
			r.errorf(a.node, "Number used twice", "The number %d belongs to %s %q (%s), too.", id, a.kind, other.name, position(other.node.Range()))
			continue
		}
		holder[id] = a
	}
}
