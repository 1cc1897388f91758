-- What the pages need beyond Quarto: a bar of links on each lesson, terms linked to the glossary,
-- pictures that load late and can stand still, and plain Markdown in the Markdown edition.

local html = quarto.doc.is_format("html")
local input = quarto.doc.input_file
local root = quarto.project.directory
local notebook = input:match("([^/\\]+)%.ipynb$")
local up = pandoc.path.make_relative(root, pandoc.path.directory(input), true)

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local content = file:read("a")
  file:close()
  return content
end

-- "Max-Pooling layers" and "max-pooling layer" are one term.
local function normal(text)
  return (text:lower():gsub("%s+", " "):gsub("ches$", "ch"):gsub("s$", ""))
end

local terms = {}
for term in (read(pandoc.path.join({ root, "glossary.qmd" })) or ""):gmatch("\n## ([^\n]+)") do
  terms[normal(term)] = term:lower():gsub(" ", "-")
end

local function escaped(text)
  return (text:gsub("&", "&amp;"):gsub('"', "&quot;"):gsub("<", "&lt;"):gsub(">", "&gt;"))
end

-- An animated PNG without its animation: the chunks that say so are left out.
local function still(png)
  local parts, at = { png:sub(1, 8) }, 9
  while at < #png do
    local length, kind = string.unpack(">I4c4", png, at)
    if kind ~= "acTL" and kind ~= "fcTL" and kind ~= "fdAT" then
      table.insert(parts, png:sub(at, at + length + 11))
    end
    at = at + length + 12
  end
  return table.concat(parts)
end

-- The address of the published site, from which notebooks link to demos/.
local pages

local function read_pages(meta)
  pages = pandoc.utils.stringify(meta.pages or "")
end

-- On the site a demo is a neighbour; elsewhere it is where the site is published.
local function link_to_demo(link)
  if pages == "" then return nil end
  local demo = link.target:sub(1, #pages) == pages and link.target:sub(#pages + 1)
    or link.target:match("^%.?%.?/?(demos/.+)")
  if not demo or not demo:find("^demos/.+%.html") then return nil end
  link.target = html and pandoc.path.join({ up, demo }) or pages .. demo
  return link
end

-- A table that is wider than a phone scrolls by itself.
local function in_a_box(table)
  return pandoc.Div(table, pandoc.Attr("", { "table-responsive" }))
end

local n_images = 0

local function image_in_html(image)
  n_images = n_images + 1
  local path = pandoc.path.join({ pandoc.path.directory(input), image.src })
  local content = read(path) or ""
  if n_images > 1 then image.attributes.loading = "lazy" end
  if content:sub(1, 4) ~= "\137PNG" then return image end
  if not image.attributes.width then
    local width, height = string.unpack(">I4I4", content, 17)
    image.attributes.width, image.attributes.height = tostring(width), tostring(height)
  end
  if not content:match("^.-IDAT"):find("acTL", 1, true) then return image end
  local still_name = image.src:gsub("%.png$", "-still.png")
  local file = io.open((path:gsub("%.png$", "-still.png")), "wb")
  file:write(still(content))
  file:close()
  local source = '<picture class="motion"><source media="(prefers-reduced-motion: reduce)" srcset="%s">'
  return {
    pandoc.RawInline("html", source:format(escaped(still_name))),
    image,
    pandoc.RawInline("html", "</picture>"),
  }
end

-- Under an exercise: a way to try it, for a reader who is on the site. What its check says is
-- wrapped by the page.
local function end_exercise(cell, colab)
  if not (cell.attributes.tags or ""):find('"exercise"', 1, true) then return end
  local link = '<p class="try"><a href="%s#scrollTo=%s">Try it in Colab</a></p>'
  cell.classes:insert("exercise")
  cell.content = cell.content:walk({ Div = function(output)
    if not output.classes:includes("cell-output") then return nil end
    return output:walk({ CodeBlock = function(said)
      said.text = said.text:gsub("\n  (%S)", " %1")
      return said
    end })
  end })
  cell.content:insert(pandoc.RawBlock("html", link:format(escaped(colab), cell.identifier)))
end

-- The first lines of a lesson: links to Colab, to the file and to its source, and the minutes.
local function lesson_bar(colab, time)
  local source = colab:gsub("^https://colab%.research%.google%.com/github/", "https://github.com/")
  local bar = '<div class="lesson-bar"><a href="%s">Open in Colab</a>'
    .. '<a href="%s">View the source</a>'
    .. '<a href="%s.ipynb" download data-noresolveinput>Download the notebook</a>'
  local blocks = { pandoc.RawBlock("html", bar:format(escaped(colab), escaped(source), notebook)) }
  if time then
    table.insert(blocks, pandoc.Div(pandoc.Para(time), pandoc.Attr("", { "minutes" })))
  end
  table.insert(blocks, pandoc.RawBlock("html", "</div>"))
  return blocks
end

local function begin_lesson(document)
  local colab, bar_at, time
  for i, block in ipairs(document.blocks) do
    if block.t == "Para" and not colab then
      block:walk({ Link = function(link)
        if link.target:find("colab.research.google.com", 1, true) then colab = link.target end
      end })
      bar_at = i
    elseif block.t == "Para" and pandoc.utils.stringify(block):find("^Time: ") then
      time = pandoc.Inlines({ table.unpack(block.content, 3) })
      document.blocks:remove(i)
      break
    end
  end
  if colab then
    document.blocks:remove(bar_at)
    for offset, block in ipairs(lesson_bar(colab, time)) do
      document.blocks:insert(bar_at + offset - 1, block)
    end
  end
  for _, block in ipairs(document.blocks) do
    if colab and block.t == "Div" and block.classes:includes("cell") then end_exercise(block, colab) end
  end
  -- The first cell only fetches the course where a notebook stands alone: fold it.
  for i, block in ipairs(document.blocks) do
    if block.t == "Div" and block.classes:includes("cell") then
      local summary = "<details><summary>Set-up for a notebook that is opened alone</summary>"
      document.blocks:insert(i + 1, pandoc.RawBlock("html", "</details>"))
      document.blocks:insert(i, pandoc.RawBlock("html", summary))
      break
    end
  end
  return document
end

local function term(strong)
  local id = terms[normal(pandoc.utils.stringify(strong))]
  if not id then return nil end
  local target = pandoc.path.join({ up, "glossary" .. (html and ".qmd" or ".md") }) .. "#" .. id
  local link = pandoc.Link(strong.content, target, "", pandoc.Attr("", { "term" }))
  return html and link or pandoc.Strong({ pandoc.Link(strong.content, target) })
end

local function to_markdown_pages(link)
  if link_to_demo(link) then return pandoc.Link(link.content, link.target) end
  if not link.target:find("^%a+:") then
    link.target = link.target:gsub("%.ipynb", ".md"):gsub("%.qmd", ".md")
    link.attr = pandoc.Attr()
  end
  return link
end

local function plain_image(image)
  local alt = image.attributes["fig-alt"] or image.attributes["alt"]
  return pandoc.Image(alt and { pandoc.Str(alt) } or image.caption, image.src)
end

-- A figure as an image with its alternative text, and its caption in a paragraph of its own.
local function plain_figure(block)
  local image = #block.content == 1 and block.content[1]
  if block.t == "Figure" then image = block.content[1].content[1] end
  if not image or image.t ~= "Image" then return nil end
  local blocks = pandoc.Blocks({ pandoc.Para({ plain_image(image) }) })
  if image.attributes["fig-alt"] and #image.caption > 0 then
    blocks:insert(pandoc.Para({ pandoc.Emph(image.caption) }))
  end
  return blocks
end

if html then
  return {
    { Meta = read_pages },
    { Pandoc = notebook and begin_lesson or nil },
    { Image = image_in_html, Link = link_to_demo, Table = in_a_box, Strong = notebook and term or nil },
  }
end
return {
  { Meta = read_pages },
  { Figure = plain_figure, Para = plain_figure },
  {
    Image = plain_image,
    Div = function(div) return div.content end,
    Span = function(span) return span.content end,
    Strong = notebook and term or nil,
    Link = to_markdown_pages,
  },
}
