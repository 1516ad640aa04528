package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"eventgateway/gateway/internal/admin"
	"eventgateway/gateway/internal/config"
	"eventgateway/gateway/internal/httpserver"
	"eventgateway/gateway/options"
)

// maxAnswer is the maximum size of an answer of a gateway, in bytes.
const maxAnswer = 64 << 20

// apiFlags are the flags that name a running gateway, and its secret.
type apiFlags struct{ url, token string }

// add adds the flags to a command.
func (a *apiFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.url, "url", "", "`URL` of the gateway, such as https://gateway.example; without it, the address that the configuration names")
	cmd.Flags().StringVar(&a.token, "token", "", "`secret` of its /api; without it, GATEWAY_TOKEN, and for a gateway of this host and user what it has stored")
}

// helpAPI is the end of the help of all commands that call a running gateway.
const helpAPI = `

Without --url it calls the gateway of this host that runs with the configuration -c. The
secret of /api is --token, or the variable GATEWAY_TOKEN (or the content of GATEWAY_TOKEN_FILE).
For a gateway of this host and user it is found: in http.admin.token, or where the gateway stores it.`

// apiClient calls the /api of one running gateway.
type apiClient struct {
	base   string // URL without a slash at its end
	name   string // in messages: base, or unix:PATH
	token  options.Secret
	signs  bool // sends a text that is signed with the token, instead of the token
	client *http.Client
}

// client returns the client of the gateway that the flags name.
func (a *apiFlags) client(f *flags) (*apiClient, error) {
	env, err := f.env()
	if err != nil {
		return nil, err
	}
	c := &apiClient{client: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // another server must not get the secret
	}}
	token, _, err := env.Lookup("GATEWAY_TOKEN")
	if err != nil {
		return nil, err
	}
	if a.token != "" {
		token = a.token
	}
	c.token = options.NewSecret(token)
	if a.url != "" {
		c.base, err = apiBase(a.url)
		c.name = c.base
		return c, err
	}
	return c, c.local(f, env)
}

// apiBase returns a URL of a gateway without the slash at its end.
func apiBase(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("--url is not the URL of a gateway: write http://HOST:PORT or https://HOST, and the secret into GATEWAY_TOKEN")
	}
	return strings.TrimSuffix(u.Scheme+"://"+u.Host+u.EscapedPath(), "/"), nil
}

// local sets the address and the secret of the gateway that runs here with the configuration.
func (c *apiClient) local(f *flags, env config.Env) error {
	if err := f.readPipes(); err != nil {
		return err
	}
	var files []string
	for _, file := range f.files {
		if _, err := os.Stat(file); err == nil || f.filesGiven {
			files = append(files, file)
		}
	}
	settings, problems := config.LoadHTTP(config.Request{Files: files, Pipes: f.pipes, Env: env})
	if len(problems) > 0 {
		return fmt.Errorf("%w\nthe address of the gateway is not known: name it by --url", problems)
	}
	if port, _, err := env.Lookup("PORT"); len(files) == 0 && err == nil && port != "" { // as in gateway.yaml
		settings.Listen = ":" + port
	}
	pages := adminPagesOf(settings)
	if err := pages.checkClient(); err != nil {
		return err
	}
	c.signs = true // while the gateway does not run, any program may listen there
	c.base, c.name, c.client.Transport = pages.url(), pages.url(), pages.transport(pages.pinned())
	if _, unix := httpserver.SocketPath(pages.address); unix {
		c.name = pages.address
	}
	if c.token.IsZero() {
		c.token = settings.Admin.Token
	}
	if c.token.IsZero() {
		c.token, _, _ = admin.StoredSecret(os.Getenv, pages.address) // after an error there is none: the gateway may need none, and else answers 401
	}
	return nil
}

// get requests a path and decodes the answer into v, which may be nil. It returns the answer.
func (c *apiClient) get(ctx context.Context, path string, v any) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	body, _, err := c.do(ctx, http.MethodGet, path, v, http.StatusOK)
	return body, err
}

// do is call without a body.
func (c *apiClient) do(ctx context.Context, method, path string, v any, accepted ...int) (answer []byte, status int, err error) {
	return c.call(ctx, method, path, nil, v, accepted...)
}

// call sends a request, with a body as JSON unless that is nil, and decodes an answer with one of the accepted statuses into v, if that is not nil.
func (c *apiClient) call(ctx context.Context, method, path string, content, v any, accepted ...int) (body []byte, status int, err error) {
	resp, err := c.send(ctx, method, path, content)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return nil, 0, c.unreachable(err)
	}
	for _, s := range accepted {
		if resp.StatusCode != s {
			continue
		}
		if v == nil {
			return body, s, nil
		}
		if err := json.Unmarshal(body, v); err != nil {
			return nil, 0, fmt.Errorf("%s%s does not answer as a gateway does: %w: check --url", c.name, path, err)
		}
		return body, s, nil
	}
	return nil, resp.StatusCode, c.refused(path, resp, body)
}

// send sends a request with the secret, and with content as JSON unless that is nil. The caller closes the body of the answer.
func (c *apiClient) send(ctx context.Context, method, path string, content any) (*http.Response, error) {
	var body io.Reader
	if content != nil {
		text, err := json.Marshal(content)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	if !c.token.IsZero() {
		shown := c.token.Reveal()
		if c.signs {
			shown = admin.SignCommand(c.token)
		}
		req.Header.Set("Authorization", "Bearer "+shown)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, c.unreachable(err)
	}
	return resp, nil
}

// unreachable returns the error for a gateway that does not answer.
func (c *apiClient) unreachable(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT) { // a socket that does not exist
		return fmt.Errorf("no gateway runs at %s (%w): start it, or name another by --url", c.name, err)
	}
	return fmt.Errorf("the gateway at %s does not answer: %w", c.name, err)
}

// refused returns the error for an answer that is no success.
func (c *apiClient) refused(path string, resp *http.Response, body []byte) error {
	text := oneLine(strings.TrimSpace(string(body[:min(len(body), 500)])))
	switch {
	case resp.StatusCode == http.StatusUnauthorized && c.token.IsZero():
		return fmt.Errorf("the gateway at %s needs its secret: set GATEWAY_TOKEN or --token to http.admin.token, or to what the file holds that its log names", c.name)
	case resp.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("the gateway at %s refuses the secret: set GATEWAY_TOKEN or --token to http.admin.token, or to what the file holds that its log names", c.name)
	case resp.StatusCode == http.StatusNotFound && strings.HasPrefix(text, "404"):
		return fmt.Errorf("%s%s does not exist: check --url, and whether the gateway has http.admin.listen or an older version", c.name, path)
	}
	return fmt.Errorf("%s%s answers %s: %s", c.name, path, resp.Status, text)
}

// fetch sends a GET request to a running gateway, and decodes the answer into v unless that is nil.
func (a *apiFlags) fetch(ctx context.Context, f *flags, path string, v any) ([]byte, error) {
	c, err := a.client(f)
	if err != nil {
		return nil, err
	}
	return c.get(ctx, path, v)
}

// printAnswer prints the answer of a running gateway to a GET request: as it came if asJSON is set, else by print.
func printAnswer[T any](cmd *cobra.Command, api *apiFlags, f *flags, path string, asJSON bool, print func(io.Writer, T) error) error {
	var answer T
	body, err := api.fetch(cmd.Context(), f, path, &answer)
	switch {
	case err != nil:
		return err
	case asJSON:
		_, err = cmd.OutOrStdout().Write(body)
		return err
	}
	return print(cmd.OutOrStdout(), answer)
}
