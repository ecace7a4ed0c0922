package ocifetch

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"sysc/internal/download"
	"sysc/internal/loopback"
)

const (
	// maxAnswer bounds a manifest, a page of tags, and all else but contents, in
	// bytes. OCI Distribution Specification 1.1, "Pushing Manifests": registries take
	// at least 4 MiB.
	maxAnswer = 4 << 20
	// maxTags bounds the tags of a repository.
	maxTags = 200_000
	// pageSize is how many tags are asked for at once.
	pageSize = 1000
	// defaultSilence is how long one answer may take that is no content.
	defaultSilence = time.Minute
)

// A Client asks registries. It is safe for concurrent use. Only Download must be
// given.
type Client struct {
	// Download has the connections, proxies and the user's netrc, and gets contents.
	Download *download.Client
	// Keychain has passwords for what netrc has none; nil means none. See
	// [UserKeychain].
	Keychain authn.Keychain
	// Silence is how long one answer may take that is no content; 0 means a minute.
	Silence time.Duration
}

// UserKeychain has what docker login and podman login have written, and what
// programs give that these name.
func UserKeychain() authn.Keychain { return authn.DefaultKeychain }

// A session is a repository whose registry lets us in.
type session struct {
	client     *Client
	repository name.Repository
	// http sends what the registry's tokens go with.
	http *http.Client
}

// open asks a registry how it lets people in.
func (c *Client) open(ctx context.Context, r Reference) (*session, error) {
	registry := r.repository.Registry
	host, _ := hostname(registry)
	base := http.DefaultTransport
	if c.Download.HTTP != nil && c.Download.HTTP.Transport != nil {
		base = c.Download.HTTP.Transport
	}
	retried := transport.NewRetry(&guard{next: base, local: loopback.IsHost(host)}, transport.WithRetryStatusCodes(
		http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout))
	auth, err := c.authenticator(ctx, r.repository)
	if err != nil {
		return nil, err
	}
	limited, cancel := c.limited(ctx)
	defer cancel()
	authorised, err := transport.NewWithContext(limited, registry, auth, retried, []string{r.repository.Scope(transport.PullScope)})
	if err != nil {
		return nil, because(limited, err)
	}
	return &session{client: c, repository: r.repository, http: &http.Client{Transport: authorised}}, nil
}

// hostname returns the host of a registry without its port.
func hostname(registry name.Registry) (string, error) {
	u, err := url.Parse("//" + registry.RegistryStr())
	if err != nil {
		return "", err
	}
	return u.Hostname(), nil
}

// authenticator finds a user name and password.
func (c *Client) authenticator(ctx context.Context, r name.Repository) (authn.Authenticator, error) {
	host, err := hostname(r.Registry)
	if err != nil {
		return nil, err
	}
	if host == name.DefaultRegistry {
		host = "docker.io" // as people write it
	}
	if login, password, ok := c.Download.Netrc.Lookup(host); ok {
		return &authn.Basic{Username: login, Password: password}, nil
	}
	if c.Keychain == nil {
		return authn.Anonymous, nil
	}
	auth, err := authn.Resolve(ctx, c.Keychain, r)
	if err != nil {
		return nil, fmt.Errorf("look for a password: %w", err)
	}
	return auth, nil
}

// limited ends what takes too long.
func (c *Client) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, cmp.Or(c.Silence, defaultSilence), errSilent)
}

// because returns why ctx ended in place of the bare fact.
func because(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// Tags returns the tags of a repository, sorted. Those that [CheckTag] refuses are
// left out.
func (c *Client) Tags(ctx context.Context, r Reference) ([]string, error) {
	tags, err := c.tags(ctx, r)
	if err != nil {
		return nil, failed(r.Repository(), err)
	}
	tags = slices.DeleteFunc(tags, func(tag string) bool { return CheckTag(tag) != nil })
	slices.Sort(tags)
	return slices.Compact(tags), nil
}

func (c *Client) tags(ctx context.Context, r Reference) ([]string, error) {
	s, err := c.open(ctx, r)
	if err != nil {
		return nil, err
	}
	puller, err := remote.NewPuller(remote.WithTransport(s.http.Transport), remote.WithPageSize(pageSize))
	if err != nil {
		return nil, err
	}
	limited, cancel := c.limited(ctx)
	defer cancel()
	pages, err := puller.Lister(limited, r.repository)
	if err != nil {
		return nil, because(limited, err)
	}
	var tags []string
	for pages.HasNext() {
		page, err := pages.Next(limited)
		if err != nil {
			return nil, because(limited, err)
		}
		if tags = append(tags, page.Tags...); len(tags) > maxTags {
			return nil, fmt.Errorf("more than %d tags", maxTags)
		}
	}
	return tags, nil
}

// failed makes an error one about an image. Those that are such stay as they are.
func failed(what string, err error) error {
	var wrong *VerifyError
	var platform *PlatformError
	if errors.As(err, &wrong) || errors.As(err, &platform) {
		return err
	}
	if errors.Is(err, errTooLong) {
		return &VerifyError{what, err}
	}
	e := &Error{what, err}
	if e.status() == http.StatusNotFound {
		return &MissingError{what}
	}
	return e
}

// Resolve returns the digest of what a reference leads to now: of an index, if it
// is one.
func (c *Client) Resolve(ctx context.Context, r Reference) (Digest, error) {
	s, err := c.open(ctx, r)
	if err != nil {
		return Digest{}, failed(r.String(), err)
	}
	_, digest, err := s.manifest(ctx, r)
	if err != nil {
		return Digest{}, failed(r.String(), err)
	}
	return digest, nil
}

// manifest gets a manifest or index, and checks it against the reference's digest.
func (s *session) manifest(ctx context.Context, r Reference) ([]byte, Digest, error) {
	data, err := s.get(ctx, "manifests", r.identifier())
	if err != nil {
		return nil, Digest{}, err
	}
	got := Digest(sha256.Sum256(data))
	if r.HasDigest() && got != r.Digest {
		return nil, got, &VerifyError{r.String(), fmt.Errorf("the registry gave another manifest\n  expected %s\n  got      %s", r.Digest, got)}
	}
	return data, got, nil
}

// get reads an answer as a whole.
func (s *session) get(ctx context.Context, kind, identifier string) ([]byte, error) {
	limited, cancel := s.client.limited(ctx)
	defer cancel()
	req, err := http.NewRequestWithContext(limited, http.MethodGet, s.address(kind, identifier), nil)
	if err != nil {
		return nil, err
	}
	if kind == "manifests" {
		req.Header.Set("Accept", strings.Join(acceptedManifests, ", "))
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, because(limited, err)
	}
	defer resp.Body.Close()
	if err := transport.CheckError(resp, http.StatusOK); err != nil {
		return nil, because(limited, err)
	}
	data, err := io.ReadAll(resp.Body)
	return data, because(limited, err)
}

// address is where something of the repository is.
func (s *session) address(kind, identifier string) string {
	u := url.URL{
		Scheme: s.repository.Scheme(), // the transport changes it to what the registry has
		Host:   s.repository.RegistryStr(),
		Path:   "/v2/" + s.repository.RepositoryStr() + "/" + kind + "/" + identifier,
	}
	return u.String()
}
