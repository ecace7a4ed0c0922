package ocifetch

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"

	"sysc/internal/lazyregexp"
)

// maxReference bounds the name of an image, in bytes.
const maxReference = 1024

// A Digest is a SHA-256, by which registries name contents.
type Digest [sha256.Size]byte

// String returns "sha256:" and hexadecimal digits.
func (d Digest) String() string { return digestPrefix + hex.EncodeToString(d[:]) }

const digestPrefix = "sha256:"

// ParseDigest reads what [Digest.String] wrote. Registries may use other hashes;
// sysc does not.
func ParseDigest(text string) (d Digest, err error) {
	digits, ok := strings.CutPrefix(text, digestPrefix)
	if !ok || len(digits) != hex.EncodedLen(len(d)) || strings.ToLower(digits) != digits {
		return d, fmt.Errorf("%q is not \"sha256:\" and 64 hexadecimal digits in lower case", text)
	}
	if _, err := hex.Decode(d[:], []byte(digits)); err != nil {
		return d, fmt.Errorf("%q is not \"sha256:\" and 64 hexadecimal digits in lower case", text)
	}
	return d, nil
}

// A Reference names an image: a repository of a registry and, each if it is given,
// a tag and a digest. Make it with [ParseReference].
type Reference struct {
	repository name.Repository
	// Tag is "" when there is none.
	Tag string
	// Digest is that of a manifest or index, zero when there is none.
	Digest Digest
}

// ErrPassword is why a name with a password is refused. Whoever shows the error
// must not show the name beside it.
var ErrPassword = errors.New("a password in it, which everybody could read. Leave it out; passwords of registries are taken from ~/.netrc and from what docker login or podman login has written")

// ParseReference reads a name as it is given to docker pull: "alpine",
// "ghcr.io/owner/name:tag", "HOST:PORT/NAME@sha256:…". Without a host it is an
// image of Docker Hub.
func ParseReference(text string) (Reference, error) {
	if len(text) > maxReference {
		return Reference{}, fmt.Errorf("a name of %d bytes", len(text))
	}
	if _, rest, ok := strings.Cut(text, "://"); ok {
		if host, _, _ := strings.Cut(rest, "/"); strings.Contains(host, "@") {
			return Reference{}, ErrPassword
		}
		return Reference{}, fmt.Errorf("the name of an image has no \"://\": write %s", rest)
	}
	plain, digest, hasDigest := strings.Cut(text, "@")
	var r Reference
	if hasDigest {
		var err error
		if r.Digest, err = ParseDigest(digest); err != nil {
			if strings.ContainsAny(digest, "/") {
				return r, ErrPassword
			}
			return r, err
		}
	}
	repository := plain
	if colon := strings.LastIndexByte(plain, ':'); colon > strings.LastIndexByte(plain, '/') {
		repository, r.Tag = plain[:colon], plain[colon+1:]
		if CheckTag(r.Tag) != nil {
			return r, notAReference(text)
		}
	}
	short, err := name.NewRepository(repository, name.WeakValidation)
	if err != nil || !repositoryPattern().MatchString(short.RepositoryStr()) {
		return r, notAReference(text)
	}
	// The same image is the same value, however it was written.
	if r.repository, err = name.NewRepository(short.Name(), name.StrictValidation); err != nil {
		return r, notAReference(text)
	}
	return r, nil
}

func notAReference(text string) error {
	return fmt.Errorf("%q is not the name of an image: want HOST/NAME with lower-case letters, digits and . _ - in the name, and perhaps :TAG and @sha256:DIGITS", text)
}

// Patterns of OCI Distribution Specification 1.1, "Pulling manifests". Package name
// would let "a/../b" through, and with it anything of the same registry.
var (
	repositoryPattern = lazyregexp.New(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)
	tagPattern        = lazyregexp.New(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`)
)

// CheckTag reports why a text cannot be a tag.
func CheckTag(tag string) error {
	if !tagPattern().MatchString(tag) {
		return fmt.Errorf("%q is not a tag: letters, digits and _ . -, up to 128", tag)
	}
	return nil
}

// IsZero reports whether r names nothing.
func (r Reference) IsZero() bool { return r.repository == name.Repository{} }

// HasDigest reports whether r says which manifest is meant.
func (r Reference) HasDigest() bool { return r.Digest != Digest{} }

// Repository returns the name without tag and digest, its host included.
func (r Reference) Repository() string {
	return strings.Replace(r.repository.Name(), name.DefaultRegistry, "docker.io", 1)
}

// String returns the name, in a form that [ParseReference] reads as the same.
func (r Reference) String() string {
	text := r.Repository()
	if r.Tag != "" {
		text += ":" + r.Tag
	}
	if r.HasDigest() {
		text += "@" + r.Digest.String()
	}
	return text
}

// Name returns the last part of the repository's name.
func (r Reference) Name() string { return path.Base(r.repository.RepositoryStr()) }

// identifier is what a registry is asked for.
func (r Reference) identifier() string {
	switch {
	case r.HasDigest():
		return r.Digest.String()
	case r.Tag != "":
		return r.Tag
	}
	return name.DefaultTag
}
