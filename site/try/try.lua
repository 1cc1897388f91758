-- "Try it here": marks the cells that run in the page, and takes away what was stored of an exercise
-- that nobody has attempted. What each cell offers was written to site/lessons/try.json by the build.

local notebook = quarto.doc.input_file:match("([^/\\]+)%.ipynb$")
if not notebook or not quarto.doc.is_format("html") then return {} end

local file = io.open(pandoc.path.join({ quarto.project.directory, "site", "lessons", "try.json" }), "rb")
local about = file and quarto.json.decode(file:read("a")) or {}
if file then file:close() end
local offers = (about.lessons or {})[notebook] or {}

local function mark(cell)
  if not cell.classes:includes("cell") then return nil end
  if cell.classes:includes("exercise") or (cell.attributes.tags or ""):find('"exercise"', 1, true) then
    cell.content = cell.content:walk({ Div = function(output)
      if output.classes:includes("cell-output") then return {} end
    end })
  end
  local offer = offers[cell.identifier]
  if offer then cell.attributes["data-try"] = offer end
  return cell
end

return {
  { Div = mark },
  { Pandoc = function(document)
    if next(offers) then document.blocks:insert(pandoc.RawBlock("html", about.hook)) end
    return document
  end },
}
