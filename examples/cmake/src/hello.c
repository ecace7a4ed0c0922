#include <cmark.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void)
{
	const char *text = "Hello from a *library* that sysc built.";
	char *html = cmark_markdown_to_html(text, strlen(text), CMARK_OPT_DEFAULT);

	if (html == NULL)
		return 1;
	fputs(html, stdout);
	free(html);
	return 0;
}
