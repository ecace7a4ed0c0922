package download

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// maxRedirects is how often one request may be sent elsewhere.
const maxRedirects = 10

// checkRedirect decides whether to go where a server sends a request. A password
// stays with the scheme, host and port that it was for: once the request was
// elsewhere, it has none any more.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("redirected more than %d times", maxRedirects)
	}
	if scheme := req.URL.Scheme; scheme != "https" && scheme != "http" {
		return fmt.Errorf("refused to be redirected to %s, which is neither https nor http", req.URL.Redacted())
	}
	if req.URL.Scheme == "http" && via[len(via)-1].URL.Scheme == "https" {
		return fmt.Errorf("refused to be redirected from https to %s", req.URL.Redacted())
	}
	req.Header.Del("Referer") // an address may have a secret in its query
	for _, r := range append(via[1:len(via):len(via)], req) {
		if !sameOrigin(r.URL, via[0].URL) {
			req.Header.Del("Authorization")
		}
	}
	return nil
}

func sameOrigin(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Host, b.Host)
}
