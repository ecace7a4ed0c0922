package source

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"path"
	"strings"

	"sysc/internal/gitfetch"
	"sysc/internal/lazyregexp"
	"sysc/internal/loopback"
)

// A Source is where a module is, checked. Make it with [Parse].
type Source struct {
	Package Package
	// Dir is the module's directory in the package, with slashes, "." for the top.
	Dir string
	// Ref is a branch, a tag or a commit of a git repository, "" for none.
	Ref string
}

// A Package is what is fetched as a whole: a repository or an archive. Equal
// packages are the same one, however their addresses were written.
type Package struct {
	// Remote is a git repository, the zero Remote for an archive.
	Remote gitfetch.Remote
	// Archive is the address of an archive, "" for a repository.
	Archive string
}

// IsGit reports whether the package is a git repository.
func (p Package) IsGit() bool { return p.Archive == "" }

// String returns the address as it can be written in a module block, and as the
// lock file has it.
func (p Package) String() string {
	if p.IsGit() {
		return "git::" + p.Remote.String()
	}
	return p.Archive
}

// Name is a short name for people: the last part of the address.
func (p Package) Name() string {
	if p.IsGit() {
		return cmp.Or(p.Remote.Name(), "repository")
	}
	u, err := url.Parse(p.Archive)
	if err != nil {
		return "archive" // Parse refuses it
	}
	name := path.Base(u.Path)
	for _, ending := range archives {
		name = strings.TrimSuffix(name, ending)
	}
	return cmp.Or(name, "archive")
}

// String returns the source as it can be written in a module block.
func (s Source) String() string {
	text := s.Package.String()
	if s.Dir != "." {
		text += "//" + s.Dir
	}
	if s.Ref != "" {
		text += "?ref=" + s.Ref
	}
	return text
}

// archives are the endings of what can be unpacked.
var archives = []string{".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2", ".tar.zst", ".tzst", ".tar", ".zip"}

// forges are hosts whose repositories can be written without protocol.
var forges = []string{"github.com/", "gitlab.com/", "bitbucket.org/"}

// maxSource bounds an address, in bytes.
const maxSource = 4096

var (
	getterPattern   = lazyregexp.New(`^([A-Za-z0-9]+)::(.*)$`)
	scpPattern      = lazyregexp.New(`^[A-Za-z0-9_][A-Za-z0-9_.+-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[^:]`)
	registryPattern = lazyregexp.New(`^([a-z0-9.-]+/)?[A-Za-z0-9_-]+/[A-Za-z0-9_-]+/[a-z0-9]+$`)
)

// Parse reads the source of a module that is not local. Errors say what to write
// instead, and have no password in them: [gitfetch.ErrPassword] when there is
// one, and then the text must not be shown either.
func Parse(text string) (Source, error) {
	if len(text) > maxSource {
		return Source{}, fmt.Errorf("it has more than %d bytes", maxSource)
	}
	address, query, hasQuery := strings.Cut(text, "?")
	rest, isGit := address, false
	if m := getterPattern().FindStringSubmatch(address); m != nil {
		switch m[1] {
		case "git":
			rest, isGit = m[2], true
		case "http", "https":
			return Source{}, fmt.Errorf("write the address of the archive without %q", m[1]+"::")
		default:
			return Source{}, fmt.Errorf("sysc knows nothing of %q. Modules come from git (git::https://…), or from an archive (https://….tar.gz)", m[1]+"::")
		}
	}
	s := Source{Dir: "."}
	rest, dir, hasDir := cutDir(rest)
	if hasDir {
		var err error
		if s.Dir, err = cleanDir(dir); err != nil {
			return Source{}, err
		}
	}
	if err := s.locate(rest, isGit); err != nil {
		return Source{}, err
	}
	if hasQuery {
		if err := s.query(query); err != nil {
			return Source{}, err
		}
	}
	return s, nil
}

// cutDir splits an address at the "//" that is not the one of its protocol.
func cutDir(address string) (rest, dir string, ok bool) {
	start := 0
	if protocol, _, ok := strings.Cut(address, "://"); ok && !strings.ContainsAny(protocol, "@:/") {
		start = len(protocol) + len("://")
	}
	i := strings.Index(address[start:], "//")
	if i < 0 {
		return address, "", false
	}
	return address[:start+i], address[start+i+2:], true
}

func cleanDir(dir string) (string, error) {
	clean := path.Clean("/" + dir)[1:]
	switch {
	case clean == "":
		return "", errors.New("no directory behind \"//\"")
	case strings.ContainsAny(dir, "\\\x00") || strings.Contains("/"+dir+"/", "/../"):
		return "", fmt.Errorf("%q leads out of what is fetched", dir)
	}
	return clean, nil
}

// locate reads what is in front of the directory.
func (s *Source) locate(address string, isGit bool) error {
	for _, forge := range forges {
		if rest, ok := strings.CutPrefix(address, forge); ok && !isGit {
			owner, name, _ := strings.Cut(strings.TrimSuffix(rest, "/"), "/")
			if owner == "" || name == "" || strings.Contains(name, "/") {
				return fmt.Errorf("a repository is written %sOWNER/NAME, and a directory in it %sOWNER/NAME//DIR", forge, forge)
			}
			return s.git("https://" + forge + owner + "/" + strings.TrimSuffix(name, ".git") + ".git")
		}
	}
	switch {
	case isGit || scpPattern().MatchString(address):
		return s.git(address)
	case strings.HasPrefix(address, "https://") || strings.HasPrefix(address, "http://"):
		return s.archive(address)
	case strings.HasPrefix(address, "ssh://"):
		return fmt.Errorf("write git:: in front of it: git::%s", address)
	case strings.HasPrefix(address, "file:") || strings.HasPrefix(address, "/") || strings.HasPrefix(address, "~"):
		return errors.New("a module of this machine is written as a path that begins with ./ or ../; to try another one, use --override")
	case registryPattern().MatchString(address):
		return errors.New("there are no registries of modules. Write the address of the git repository, as in git::https://example.org/team/network.git, with version beside it")
	}
	return errors.New("it is neither ./DIR, nor git::https://…, USER@HOST:PATH, github.com/OWNER/NAME, nor https://….tar.gz")
}

func (s *Source) git(address string) error {
	if strings.HasPrefix(address, "file:") || strings.HasPrefix(address, "/") || strings.HasPrefix(address, ".") {
		return errors.New("a repository of this machine is nothing that others have. Write a module beside this one as ./DIR; to try another one, use --override")
	}
	remote, err := gitfetch.ParseRemote(strings.TrimSuffix(address, "/"))
	if err != nil {
		return err
	}
	s.Package = Package{Remote: remote}
	return nil
}

func (s *Source) archive(address string) error {
	u, err := url.Parse(address)
	switch {
	case err != nil:
		return errors.New("it is not a URL")
	case u.User != nil:
		return gitfetch.ErrPassword
	case u.Host == "" || u.Fragment != "":
		return errors.New("it has no host, or a \"#\"")
	case u.Scheme == "http" && !loopback.IsHost(u.Hostname()):
		return errors.New("http is for servers on this machine. Use https")
	case strings.HasSuffix(u.Path, ".git"):
		return fmt.Errorf("write git:: in front of it: git::%s", address)
	}
	for _, ending := range archives {
		if strings.HasSuffix(u.Path, ending) {
			s.Package = Package{Archive: u.String()}
			return nil
		}
	}
	return fmt.Errorf("it has the ending of no archive (.tar.gz, .zip and others). For a git repository, write git:: in front of it: git::%s", address)
}

// query reads what is behind "?".
func (s *Source) query(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("what is behind \"?\" cannot be read: %v", err)
	}
	for name, value := range values {
		switch {
		case name == "ref" && s.Package.IsGit() && len(value) == 1:
			s.Ref = value[0]
			if err := gitfetch.CheckRef(s.Ref); err != nil {
				return err
			}
		case name == "ref" && s.Package.IsGit():
			return errors.New("several refs")
		case name == "ref":
			return errors.New("an archive has no refs")
		case name == "depth":
			return errors.New("take depth out: no more than one commit is fetched anyway, where the server allows that")
		case name == "sshkey":
			return errors.New("take sshkey out: ssh is used with the user's own keys and ~/.ssh/config")
		case name == "checksum":
			return errors.New("take checksum out: sysc.lock has the hash")
		default:
			return fmt.Errorf("%q means nothing here", name)
		}
	}
	return nil
}
