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

-- The terms of the glossary: id, the definition as plain text, and how many words the term has.
local terms, longest_term = {}, 1

local function read_terms()
  local entry
  local source = read(pandoc.path.join({ root, "glossary.qmd" })) or ""
  for _, block in ipairs(pandoc.read(source, "markdown").blocks) do
    if block.t == "Header" and block.level == 2 then
      local name = pandoc.utils.stringify(block)
      entry = { id = name:lower():gsub(" ", "-"), name = name, says = {} }
      terms[normal(name)] = entry
      longest_term = math.max(longest_term, select(2, name:gsub("%s+", "")) + 1)
    elseif entry then
      table.insert(entry.says, pandoc.utils.stringify(block))
    end
  end
  for _, found in pairs(terms) do
    found.says = table.concat(found.says, " "):gsub("%s*→.*$", "")
  end
end

if html then read_terms() else
  for term in (read(pandoc.path.join({ root, "glossary.qmd" })) or ""):gmatch("\n## ([^\n]+)") do
    terms[normal(term)] = { id = term:lower():gsub(" ", "-") }
  end
end

-- What tools/make_site.py has computed: what each cell of a notebook is for, and the papers by address.
local function computed(name)
  local content = read(pandoc.path.join({ root, "site", "lessons", name }))
  return content and pandoc.json.decode(content, false) or {}
end

local kinds = notebook and computed("cells.json")[notebook] or {}
local papers = html and computed("papers.json") or {}

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

local n_images = 0

-- A figure of a lesson stands in a box that scrolls on a phone, and a click shows it at its full size.
local function in_a_scrolling_box(image, shown)
  if not notebook then return shown end
  local open = '<span class="scrolls"><a class="zoom" href="%s">'
  local hint = '<span class="hint-scroll" aria-hidden="true">Wider than this screen: swipe it.</span>'
  local inlines = pandoc.Inlines({ pandoc.RawInline("html", open:format(escaped(image.src))) })
  inlines:extend(shown)
  inlines:insert(pandoc.RawInline("html", "</a></span>" .. hint))
  return inlines
end

local function image_in_html(image)
  n_images = n_images + 1
  local path = pandoc.path.join({ pandoc.path.directory(input), image.src })
  local content = read(path) or ""
  if n_images > 1 then image.attributes.loading = "lazy" end
  if content:sub(1, 4) ~= "\137PNG" then return in_a_scrolling_box(image, { image }) end
  if not image.attributes.width then
    local width, height = string.unpack(">I4I4", content, 17)
    image.attributes.width, image.attributes.height = tostring(width), tostring(height)
  end
  if not content:match("^.-IDAT"):find("acTL", 1, true) then return in_a_scrolling_box(image, { image }) end
  local still_name = image.src:gsub("%.png$", "-still.png")
  local file = io.open((path:gsub("%.png$", "-still.png")), "wb")
  file:write(still(content))
  file:close()
  local source = '<picture class="motion"><source media="(prefers-reduced-motion: reduce)" srcset="%s">'
  return in_a_scrolling_box(image, {
    pandoc.RawInline("html", source:format(escaped(still_name))),
    image,
    pandoc.RawInline("html", "</picture>"),
  })
end

-- A table that is wider than a phone scrolls by itself.
local function in_a_box(table)
  return pandoc.Div(table, pandoc.Attr("", { "table-responsive" }))
end

-- A formula on a line of its own, in a box that scrolls where it is too wide.
local function display_formula(math)
  if math.mathtype ~= "DisplayMath" then return nil end
  return pandoc.Span({ math }, pandoc.Attr("", { "formula" }))
end

local function raw(text)
  return pandoc.RawBlock("html", text)
end

local function plural(n, one, more)
  return n == 1 and one or more:format(n)
end

-- Code that only draws, imports or tests is folded behind a line that says so.
local function fold_code(cell)
  local what = kinds[cell.identifier]
  if not what or not what.fold then return end
  local label = {
    draws = "Code of this figure, " .. plural(what.lines, "1 line", "%d lines"),
    imports = "Imports and settings, " .. plural(what.lines, "1 line", "%d lines"),
    checks = plural(what.asserts, "Checked: 1 assertion holds", "Checked: %d assertions hold"),
  }
  local class = { draws = "figure-code", imports = "imports", checks = "check" }
  for i, block in ipairs(cell.content) do
    if block.t == "CodeBlock" then
      local open = '<details class="fold %s"><summary>%s</summary>'
      cell.content:insert(i + 1, raw("</details>"))
      cell.content:insert(i, raw(open:format(class[what.fold], label[what.fold])))
      return
    end
  end
end

-- Lines and bars may change colours in the dark theme; pictures of pixels may not.
local function mark_lines(cell)
  local what = kinds[cell.identifier]
  if not what or not what.lines_only then return nil end
  return cell:walk({ Image = function(image)
    image.classes:insert("lines")
    return image
  end })
end

-- A question: its paragraph, and the answers that fold open, of which one is right.
local function mark_questions(blocks)
  local in_question = false
  for i, block in ipairs(blocks) do
    local first = block.t == "Para" and block.content[1]
    if first and first.t == "Strong" and pandoc.utils.stringify(first) == "Question." then
      blocks[i] = pandoc.Div({ block }, pandoc.Attr("", { "question" }))
      in_question = true
    elseif in_question and block.t == "RawBlock" and block.text:find("^%s*<details") then
      local verdict = ""
      for later = i + 1, math.min(i + 6, #blocks) do
        local strong = blocks[later].t == "Para" and blocks[later].content[1]
        if strong and strong.t == "Strong" then
          verdict = pandoc.utils.stringify(strong)
          break
        end
      end
      if verdict:find("^Right") then
        block.text = block.text:gsub("<details", '<details class="option right"', 1)
      elseif verdict:find("^No") or verdict:find("^Wrong") or verdict:find("^Not ") then
        block.text = block.text:gsub("<details", '<details class="option wrong"', 1)
      end
    elseif block.t == "Header" then
      in_question = false
    end
  end
end

-- What a reader will be able to do, and what to know before, stand in a box of their own.
local function box_goals(blocks)
  for i, block in ipairs(blocks) do
    if block.t == "Para" and pandoc.utils.stringify(block):find("^You will be able to") then
      local box = pandoc.Blocks({ block })
      local n = 1
      while blocks[i + n] and n < 3 and (blocks[i + n].t == "BulletList" or blocks[i + n].t == "Para") do
        box:insert(blocks[i + n])
        n = n + 1
      end
      for _ = 1, n do blocks:remove(i) end
      blocks:insert(i, pandoc.Div(box, pandoc.Attr("", { "goals" })))
      return
    end
  end
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
  for i, block in ipairs(document.blocks) do
    if block.t == "Div" and block.classes:includes("cell") then
      if colab then end_exercise(block, colab) end
      document.blocks[i] = mark_lines(block) or block
      fold_code(document.blocks[i])
    end
  end
  mark_questions(document.blocks)
  box_goals(document.blocks)
  -- The first cell only fetches the course where a notebook stands alone: fold it.
  for i, block in ipairs(document.blocks) do
    if block.t == "Div" and block.classes:includes("cell") then
      local summary = '<details class="set-up"><summary>Set-up for a notebook that is opened alone</summary>'
      document.blocks:insert(i + 1, pandoc.RawBlock("html", "</details>"))
      document.blocks:insert(i, pandoc.RawBlock("html", summary))
      break
    end
  end
  return document
end

local function link_to_term(content, entry, ...)
  local target = pandoc.path.join({ up, "glossary" .. (html and ".qmd" or ".md") }) .. "#" .. entry.id
  if not html then return pandoc.Link(content, target) end
  local says = { { "data-term", entry.name }, { "data-says", entry.says } }
  return pandoc.Link(content, target, "", pandoc.Attr("", { "term", ... }, says))
end

local function term(strong)
  local entry = terms[normal(pandoc.utils.stringify(strong))]
  if not entry then return nil end
  local link = link_to_term(strong.content, entry)
  return html and link or pandoc.Strong({ link })
end

-- A paragraph that introduces a term says what the term means.
local function concept(block)
  local introduces = false
  block:walk({ Link = function(link)
    introduces = introduces or (link.classes:includes("term") and not link.classes:includes("known"))
  end })
  if not introduces then return nil end
  return pandoc.Div({ block }, pandoc.Attr("", { "concept" }))
end

-- The first time that a section uses a term which stands in plain text, it is linked too.
local said = {}

local function known_terms(inlines)
  local found, i = pandoc.Inlines({}), 1
  while i <= #inlines do
    local hit, length
    if inlines[i].t == "Str" then
      for words = longest_term, 1, -1 do
        local last = i + 2 * (words - 1)
        local text = {}
        for at = i, math.min(last, #inlines) do
          local inline = inlines[at]
          local wanted = (at - i) % 2 == 0 and inline.t == "Str"
            or (at - i) % 2 == 1 and (inline.t == "Space" or inline.t == "SoftBreak")
          if not wanted then text = nil break end
          table.insert(text, inline.t == "Str" and inline.text or " ")
        end
        if text and #text == 2 * words - 1 then
          local plain = table.concat(text)
          local core, rest = plain:match("^(.-)([%.,;:%)]*)$")
          local entry = core ~= "" and terms[normal(core)]
          if entry and not said[entry.id] and #core > 3 then
            said[entry.id] = true
            hit = pandoc.Inlines({ link_to_term({ pandoc.Str(core) }, entry, "known") })
            if rest ~= "" then hit:insert(pandoc.Str(rest)) end
            length = #text
            break
          end
        end
      end
    end
    if hit then
      found:extend(hit)
      i = i + length
    else
      found:insert(inlines[i])
      i = i + 1
    end
  end
  return found
end

-- "3 × 3" stays on one line.
local function unbroken_products(inlines)
  for i = 2, #inlines - 1 do
    if inlines[i].t == "Str" and inlines[i].text == "×" then
      for _, at in ipairs({ i - 1, i + 1 }) do
        local space = inlines[at].t == "Space" or inlines[at].t == "SoftBreak"
        if space then inlines[at] = pandoc.Str("\u{a0}") end
      end
    end
  end
  return inlines
end

-- A paper that a paragraph links to is named in the margin, once on a page.
local named = {}

local function name_papers(inlines)
  local with_notes = pandoc.Inlines({})
  for _, inline in ipairs(inlines) do
    with_notes:insert(inline)
    local paper = inline.t == "Link" and papers[inline.target]
    if paper and not named[inline.target] then
      named[inline.target] = true
      local attributes = pandoc.Attr("", { "margin-note" }, { { "aria-hidden", "true" } })
      local note = { pandoc.Str(paper.authors .. ", "), pandoc.Emph({ pandoc.Str(paper.title) }), pandoc.Str(paper.rest) }
      with_notes:insert(pandoc.Span(note, attributes))
    end
  end
  return with_notes
end

-- Terms, papers and concepts in the text of a lesson, in the order of reading.
local function set_text(document)
  for i, block in ipairs(document.blocks) do
    if block.t == "Header" and block.level == 2 then said = {} end
    if block.t == "Para" then
      block.content:walk({ Strong = function(strong)
        local entry = terms[normal(pandoc.utils.stringify(strong))]
        if entry then said[entry.id] = true end
      end })
      block.content = name_papers(known_terms(block.content))
      document.blocks[i] = concept(block:walk({ Strong = term })) or block:walk({ Strong = term })
    end
  end
  return document
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
    { Pandoc = notebook and set_text or nil },
    { Strong = notebook and term or nil, Inlines = unbroken_products },
    { Image = image_in_html, Link = link_to_demo, Table = in_a_box, Math = display_formula },
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
