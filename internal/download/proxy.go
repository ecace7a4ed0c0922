package download

import (
	"errors"
	"net/url"
	"slices"

	"golang.org/x/net/http/httpproxy"
)

// A Proxy tells which proxy to ask for an address, nil for none. It is safe for
// concurrent use.
type Proxy func(*url.URL) (*url.URL, error)

// NewProxy returns what a setting says: "environment" means what HTTP_PROXY,
// HTTPS_PROXY and NO_PROXY say, in upper or lower case; "none" means no proxy;
// anything else is the address of one, for everything that NO_PROXY does not
// list. This machine's own addresses are never asked for through a proxy.
//
// The error does not repeat the setting, which may have a password in it.
func NewProxy(setting string, getenv func(string) string) (Proxy, error) {
	env := func(upper, lower string) string {
		if value := getenv(upper); value != "" {
			return value
		}
		return getenv(lower)
	}
	config := httpproxy.Config{NoProxy: env("NO_PROXY", "no_proxy")}
	switch setting {
	case "none":
		return nil, nil
	case "environment":
		config.HTTPProxy = env("HTTP_PROXY", "http_proxy")
		config.HTTPSProxy = env("HTTPS_PROXY", "https_proxy")
	default:
		u, err := url.Parse(setting)
		if err != nil || u.Host == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
			return nil, errors.New("a proxy is \"environment\", \"none\", or an address like http://HOST:PORT, with http, https, socks5 or socks5h")
		}
		config.HTTPProxy, config.HTTPSProxy = setting, setting
	}
	return config.ProxyFunc(), nil
}

// of returns how errors name the proxy for an address, "" when there is none.
func (p Proxy) of(address string) string {
	u, err := url.Parse(address)
	if p == nil || err != nil {
		return ""
	}
	proxy, err := p(u)
	if proxy == nil || err != nil {
		return ""
	}
	return " through the proxy " + proxy.Redacted()
}
