document.querySelectorAll("th button").forEach(button=>button.onclick=()=>{
const th=button.parentNode,row=th.parentNode,body=th.closest("table").tBodies[0],at=th.cellIndex;
const up=th.getAttribute("aria-sort")!=="ascending";
for(const other of row.cells)other.removeAttribute("aria-sort");
th.setAttribute("aria-sort",up?"ascending":"descending");
const key=tr=>{const c=tr.cells[at];return "v" in c.dataset?+c.dataset.v:c.textContent};
[...body.rows].map(tr=>[key(tr),tr]).sort(([a],[b])=>{
if(typeof a==="number"&&typeof b==="number"){const x=isNaN(a),y=isNaN(b);return x||y?x-y:(up?a-b:b-a)}
return (up?1:-1)*String(a).localeCompare(String(b),undefined,{numeric:true})}).forEach(([,tr])=>body.append(tr))});
