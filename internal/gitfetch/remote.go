package gitfetch

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"unicode"

	"sysc/internal/lazyregexp"
	"sysc/internal/loopback"
)

// A Remote is the address of a repository, checked: neither git nor ssh can take
// it, or a part of it, for an option or a program. Make it with [ParseRemote].
type Remote struct {
	scheme string // https, ssh, http or file
	host   string // with user and port, as written
	path   string // as written, with a leading slash except in the short form
	short  bool   // USER@HOST:PATH instead of ssh://USER@HOST/PATH
}

var (
	userPattern  = lazyregexp.New(`^[A-Za-z0-9_][A-Za-z0-9_.+-]*$`)
	hostPattern  = lazyregexp.New(`^[A-Za-z0-9][A-Za-z0-9.-]*$`)
	shortPattern = lazyregexp.New(`^([^@:/]+)@([^@:/]+):([^:-].*)$`)
)

// ErrPassword is why an address with a password is refused. Whoever shows the
// error must not show the address beside it.
var ErrPassword = errors.New("a password in it, or a user name that may be one, which everybody could read in the store and in messages. Use ssh")

// ParseRemote checks an address: https://HOST/PATH, ssh://USER@HOST/PATH or its
// short form USER@HOST:PATH, file:///PATH, and http:// for this machine alone.
// Passwords are refused, because addresses are written down in many places, and
// so are user names in http: they may be tokens.
func ParseRemote(address string) (Remote, error) {
	r, err := parseRemote(address)
	if err != nil {
		return Remote{}, fmt.Errorf("address of repository %q: %w", redact(address), err)
	}
	return r, nil
}

func parseRemote(address string) (Remote, error) {
	if strings.ContainsFunc(address, func(c rune) bool { return c == ' ' || c == '\\' || !unicode.IsPrint(c) }) {
		return Remote{}, fmt.Errorf("a space, control character or backslash in it")
	}
	if !strings.Contains(address, "://") {
		return parseShort(address)
	}
	u, err := url.Parse(address)
	if err != nil {
		return Remote{}, fmt.Errorf("not a URL")
	}
	_, password := u.User.Password()
	switch {
	case password, u.User != nil && u.Scheme != "ssh":
		return Remote{}, ErrPassword
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(address, "#"):
		return Remote{}, fmt.Errorf("a \"?\" or \"#\" in it")
	case strings.Trim(u.Path, "/") == "" || strings.ContainsFunc(u.Path, unicode.IsControl):
		return Remote{}, fmt.Errorf("no usable path in it")
	case u.User != nil && !userPattern().MatchString(u.User.Username()):
		return Remote{}, fmt.Errorf("user %q", u.User.Username())
	}
	r := Remote{scheme: u.Scheme, host: u.Host, path: u.EscapedPath()}
	if u.User != nil {
		r.host = u.User.Username() + "@" + u.Host
	}
	switch u.Scheme {
	case "file":
		if r.host != "" {
			return Remote{}, fmt.Errorf("a file of another host")
		}
		return r, nil
	case "https", "ssh":
	case "http":
		if !loopback.IsHost(u.Hostname()) {
			return Remote{}, fmt.Errorf("http is for servers on this machine. Use https or ssh")
		}
	default:
		return Remote{}, fmt.Errorf("protocol %q: want https or ssh", u.Scheme)
	}
	if !isHost(u.Hostname()) {
		return Remote{}, fmt.Errorf("host %q", u.Hostname())
	}
	return r, nil
}

// parseShort reads the form of ssh addresses without a protocol.
func parseShort(address string) (Remote, error) {
	if user, _, ok := strings.Cut(address, "@"); ok && strings.Contains(user, ":") {
		return Remote{}, ErrPassword
	}
	m := shortPattern().FindStringSubmatch(address)
	if m == nil || !userPattern().MatchString(m[1]) || !hostPattern().MatchString(m[2]) {
		return Remote{}, fmt.Errorf("it begins with neither https:// nor ssh://")
	}
	return Remote{scheme: "ssh", host: m[1] + "@" + m[2], path: m[3], short: true}, nil
}

func isHost(s string) bool {
	ip, err := netip.ParseAddr(s)
	return err == nil && ip.Zone() == "" || hostPattern().MatchString(s)
}

// String returns the address as git takes it.
func (r Remote) String() string {
	if r.short {
		return r.host + ":" + r.path
	}
	return r.scheme + "://" + r.host + r.path
}

// Name returns the last part of the address without ".git".
func (r Remote) Name() string {
	_, name, _ := strings.Cut(r.path, ":")
	if name == "" {
		name = r.path
	}
	return strings.TrimSuffix(path.Base(name), ".git")
}

// Submodule returns the remote that a repository at r has as address of a
// submodule: an https or ssh address, or one relative to r on the same host.
func (r Remote) Submodule(address string) (Remote, error) {
	if r.scheme == "file" {
		return Remote{}, fmt.Errorf("submodule at %q: a repository of this machine cannot have submodules fetched", redact(address))
	}
	if !strings.HasPrefix(address, "./") && !strings.HasPrefix(address, "../") {
		sub, err := ParseRemote(address)
		if err == nil && sub.scheme != "https" && sub.scheme != "ssh" {
			err = fmt.Errorf("address of repository %q: a submodule comes by https or ssh", redact(address))
		}
		return sub, err
	}
	// Joined without the slash in front, a path that leads too far up shows.
	joined := path.Join(strings.TrimPrefix(r.path, "/"), address)
	if joined == "." || joined == ".." || strings.HasPrefix(joined, "../") {
		return Remote{}, fmt.Errorf("submodule at %q: it leads out of %s", redact(address), r.host)
	}
	if strings.HasPrefix(r.path, "/") {
		joined = "/" + joined
	}
	sub := r
	sub.path = joined
	return ParseRemote(sub.String())
}

// redact removes a password from what may be an address, for messages.
func redact(address string) string {
	protocol, rest, ok := strings.Cut(address, "://")
	if !ok {
		protocol, rest = "", address
	}
	at := strings.LastIndexByte(rest, '@')
	if slash := strings.IndexByte(rest, '/'); at >= 0 && slash >= 0 && slash < at {
		at = strings.LastIndexByte(rest[:slash], '@')
	}
	if at < 0 {
		return address
	}
	user, _, password := strings.Cut(rest[:at], ":")
	if password || ok && protocol != "ssh" {
		user = "…"
	}
	return address[:len(address)-len(rest)] + user + rest[at:]
}
